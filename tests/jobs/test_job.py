from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from hourtally.jobs.job import Job
from hourtally.orchestration.parameters import resolve_parameters
from hourtally.store.layout import Home

JOB = Job(
    home=Home(Path("/srv/hourtally")),
    rates=Path("/srv/rates.toml"),
    now_ms=1_795_000_000_000,
    threads=5,
    settle_ms=90_000,
    workers=2,
    export=Path("/srv/export"),
)


def test_a_job_travels_as_paths_and_small_values() -> None:
    pickled = pickle.dumps(JOB)

    assert pickle.loads(pickled) == JOB
    assert len(pickled) < 1_000


@pytest.mark.parametrize(("workers", "threads"), [(1, 5), (2, 2), (5, 1), (8, 1)])
def test_workers_share_the_threads_and_each_has_at_least_one(workers: int, threads: int) -> None:
    assert JOB.settings(workers).threads == threads


def test_the_parameters_of_a_flow_resolve_to_the_same_job() -> None:
    given = JOB.flow_parameters

    job = resolve_parameters(given["home"], given["rates"], given["now"], given["export"])

    assert (given["settle_minutes"], given["workers"]) == (1.5, 2)
    # The rest are numbers, which a flow takes as they are.
    assert replace(job, threads=5, settle_ms=90_000, workers=2) == JOB
