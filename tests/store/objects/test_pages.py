"""The pages and metrics of a home in an object store are those of a local home."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from hourtally.cli.app import call
from hourtally.jobs.sample import write_sample
from hourtally.store.layout import Home
from tests.support.buckets import sample_in
from tests.support.pages import Visitor, operator_of

NOW = "2026-11-02T12:15:00Z"
HOUR = "/hours/2026-11-02T11"
ACME = "/customers/acme"
ADDRESSES = (
    "/",
    "/customers",
    "/batches",
    "/quarantine",
    "/rates",
    HOUR,
    "/days/2026-11-02",
    ACME,
    f"{ACME}{HOUR}?teamId=web",
    f"{ACME}{HOUR}/explain?resourceId=api",
    f"{ACME}{HOUR}/usage.json",
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, Home]]:
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        write_sample(folder / "local")
        remote = Home.at(f"memory://{secrets.token_hex(8)}/home")
        sample_in(remote, folder / "sample")
        local = Home(folder / "local")
        for home in (local, remote):
            assert call(["run", "--home", home.place, "--now", NOW]) == 3
        yield local, remote


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_of_a_home_in_a_bucket_is_that_of_a_local_one(
    both: tuple[Home, Home], address: str
) -> None:
    local, remote = (_words(operator_of(home, "2026-11-02T12"), address, home) for home in both)

    assert remote == local


def _words(visitor: Visitor, address: str, home: Home) -> str:
    page = visitor.get(address)
    assert page.status == 200
    text = page.words if page.links else page.text
    assert home.place not in text
    # A local file that has just been written is read once more: its times may not tell a change.
    return re.sub(r"The next hourtally run reads \d files of the inbox\. ", "", text)


def test_metrics_of_a_home_in_a_bucket_are_those_of_a_local_one(
    both: tuple[Home, Home], tmp_path: Path
) -> None:
    texts = []
    for number, home in enumerate(both):
        file = tmp_path / f"{number}.prom"
        arguments = ["--home", home.place, "--now", NOW, "--metrics", str(file)]
        assert call(["run", *arguments]) == 0
        lines = file.read_text().splitlines()
        texts.append([line for line in lines if "seconds" not in line])

    assert texts[0] == texts[1]
