"""What the commands promise: reruns, late files, kills and concurrent runs are safe."""

from __future__ import annotations

import gzip
import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.command_line import (
    NOW,
    ROOT,
    command,
    documents,
    environment,
    everything,
    hourtally,
)

SAMPLE = ROOT / "data" / "sample"
FROM_TO = ("--from", "2026-11-02T09", "--to", "2026-11-02T12", "--now", NOW)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The sample in its own home, not yet ingested."""
    shutil.copytree(SAMPLE, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The sample's documents after an undisturbed run."""
    folder = tmp_path_factory.mktemp("undisturbed") / "home"
    shutil.copytree(SAMPLE, folder)
    assert hourtally("run", "--home", folder, "--now", NOW).returncode == 3
    return documents(folder)


def test_a_rerun_leaves_every_published_file_untouched(home: Path) -> None:
    first = hourtally("run", "--home", home, "--now", NOW)
    # One line of the sample is for quarantine.
    assert first.returncode == 3
    assert "3 hours built (0 restated" in first.stdout
    before = everything(home / "hours")
    again = hourtally("run", "--home", home, "--now", NOW)
    assert again.returncode == 0
    assert "nothing to do" in again.stdout
    assert everything(home / "hours") == before
    backfill = hourtally("backfill", "--home", home, *FROM_TO)
    assert backfill.returncode == 0
    assert everything(home / "hours") == before


def test_a_late_file_restates_exactly_its_hours(home: Path, undisturbed: dict[str, bytes]) -> None:
    # late.ndjson holds one event, of 09:45 to 10:00.
    (home / "inbox" / "late.ndjson").rename(home / "late.ndjson")
    hourtally("run", "--home", home, "--now", NOW)
    before = everything(home / "hours")
    shutil.move(home / "late.ndjson", home / "inbox")
    late = hourtally("run", "--home", home, "--now", NOW)
    assert "1 hour built (1 restated" in late.stdout
    after = everything(home / "hours")
    new = {name for name in after if name not in before}
    assert {Path(name).relative_to(home / "hours").parts[0] for name in new} == {"2026-11-02T09"}
    assert {name: after[name] for name in before} == before
    manifest = json.loads((home / "hours/2026-11-02T09/000002.json").read_bytes())
    assert (manifest["parent"], manifest["reasons"]) == (1, ["new batch"])
    assert documents(home) == undisturbed


def test_a_corrected_rate_restates_and_one_of_next_month_does_not(home: Path) -> None:
    hourtally("run", "--home", home, "--now", NOW)
    card = (home / "rates.toml").read_text()
    later = card.replace(
        "[[rate]]",
        '[[rate]]\nid = "later"\nmeter = "byoc.cluster"\nprice_cents = "9"\nper = "cluster-hour"\n'
        'active_from = 2026-12-01T00:00:00Z\nregion = "nowhere"\n\n[[rate]]',
        1,
    )
    (home / "rates.toml").write_text(later)
    assert "nothing to do" in hourtally("run", "--home", home, "--now", NOW).stdout
    (home / "rates.toml").write_text(card.replace('"1200"', '"1300"'))
    dry = hourtally("backfill", "--home", home, *FROM_TO, "--dry-run")
    assert dry.stdout.count("rates changed") == 3
    restated = hourtally("backfill", "--home", home, *FROM_TO)
    assert "3 hours built (3 restated" in restated.stdout


def test_two_concurrent_backfills_publish_one_chain_and_the_right_documents(
    home: Path, undisturbed: dict[str, bytes]
) -> None:
    hourtally("ingest", home / "inbox", "--home", home, "--now", NOW)
    both = [
        subprocess.Popen(
            command("backfill", "--home", home, *FROM_TO),
            env=environment(),
            stdout=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    assert [process.wait() for process in both] == [0, 0]
    for hour in (home / "hours").iterdir():
        assert sorted(path.name for path in hour.glob("*.json")) == ["000001.json"]
        assert len(list(hour.glob("rev-*"))) == 1
    assert documents(home) == undisturbed


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_no_byte(home: Path, undisturbed: dict[str, bytes], workers: int) -> None:
    hourtally("ingest", home / "inbox", "--home", home, "--now", NOW)
    done = hourtally("backfill", "--home", home, *FROM_TO, "--workers", str(workers))
    assert done.returncode == 0
    assert documents(home) == undisturbed


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8))]
)
def test_a_killed_run_is_completed_by_the_same_command(
    home: Path, undisturbed: dict[str, bytes], seed: int
) -> None:
    # Three runs killed within their second or so, then one that completes.
    chance = random.Random(seed)
    for _ in range(3):
        process = subprocess.Popen(
            command("run", "--home", home, "--now", NOW),
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0.2, 1.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert hourtally("run", "--home", home, "--now", NOW).returncode in {0, 3}
    assert documents(home) == undisturbed
    # Nothing unfinished is left: as many revision folders as manifests.
    for hour in (home / "hours").iterdir():
        assert len(list(hour.glob("rev-*"))) == len(list(hour.glob("*.json")))


def test_a_full_disk_is_reported_and_publishes_nothing(
    home: Path, undisturbed: dict[str, bytes]
) -> None:
    hourtally("ingest", home / "inbox", "--home", home, "--now", NOW)
    full = subprocess.run(
        command("backfill", "--home", home, *FROM_TO),
        env=environment(),
        capture_output=True,
        text=True,
        # A file size limit of 2,000 bytes, which a revision's documents exceed.
        preexec_fn=_files_of_two_thousand_bytes,
        check=False,
    )
    assert full.returncode == 1
    assert "Traceback" not in full.stderr
    assert "File too large" in full.stderr
    assert "run the same command again" in full.stderr
    assert not list((home / "hours").glob("*/*.json"))
    assert hourtally("backfill", "--home", home, *FROM_TO).returncode == 0
    assert documents(home) == undisturbed


def _files_of_two_thousand_bytes() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))


def test_a_truncated_file_is_rejected_and_the_others_are_ingested(tmp_path: Path) -> None:
    line = (SAMPLE / "inbox" / "late.ndjson").read_bytes()
    packed = gzip.compress(line)
    for cut in range(len(packed)):
        (tmp_path / "cut.ndjson.gz").write_bytes(packed[:cut])
        if cut % 40:
            continue
        (tmp_path / "good.ndjson").write_bytes(line)
        home = tmp_path / f"home-{cut}"
        done = hourtally(
            "ingest",
            tmp_path / "cut.ndjson.gz",
            tmp_path / "good.ndjson",
            "--home",
            home,
            "--now",
            NOW,
        )
        assert done.returncode == 1
        assert "rejected, none of its events count" in done.stderr
        assert len(list((home / "batches").iterdir())) == 1


def test_usage_without_a_rate_holds_its_customer_until_the_printed_rate_is_filled_in(
    home: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    card = (home / "rates.toml").read_text()
    # Storage has a rate only from 10:00 on.
    head, storage = card.split('meter = "paas.storage"')
    storage = storage.replace("2025-01-01T00:00:00Z", "2026-11-02T10:00:00Z", 1)
    (home / "rates.toml").write_text(head + 'meter = "paas.storage"' + storage)
    run = ("run", "--home", home, "--now", NOW, "--export", tmp_path / "tree")
    acme = ("--customer", "acme", "--home", home)

    done = hourtally(*run)
    assert done.returncode == 1
    assert "3 hours built" in done.stdout
    assert "customer 'acme' is held in 2026-11-02T09" in done.stderr
    assert _block(done.stdout).splitlines()[:6] == [
        "[[rate]]",
        'id = "paas-storage-2026-11-02"',
        'meter = "paas.storage"',
        'price_cents = ""',
        'per = "gib-month"',
        "active_from = 2026-11-02T09:00:00Z",
    ]
    lines = b'{"customerId":"acme","timestamp":1793610000}\n'
    assert (tmp_path / "tree" / "@held.ndjson").read_bytes() == lines
    assert not (tmp_path / "tree" / "acme" / "1793610000.json").exists()
    assert (tmp_path / "tree" / "globex" / "1793610000.json").exists()

    shown = hourtally("show", "2026-11-02T09", "--json", *acme)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert "customer 'acme' is held" in shown.stderr
    assert "meter 'paas.storage'" in shown.stderr
    listed = hourtally("list", *acme)
    assert listed.returncode == 0
    assert "2026-11-02T09" not in listed.stdout
    assert "left out: 2026-11-02T09" in listed.stderr
    assert hourtally("verify", "--home", home).returncode == 0
    # Nothing is built, and it is said still.
    again = hourtally(*run)
    assert again.returncode == 1
    assert "nothing to do" in again.stdout
    assert "[[rate]]" in again.stdout
    within = ("--from", "2026-11-02T10", "--to", "2026-11-02T12")
    assert hourtally("backfill", *within, "--home", home, "--now", NOW).returncode == 0

    empty = (home / "rates.toml").read_text() + "\n" + _block(again.stdout)
    (home / "rates.toml").write_text(empty)
    refused = hourtally(*run)
    assert refused.returncode == 1
    assert "price_cents is empty" in refused.stderr
    # The price of the sample's card.
    price = card.split('meter = "paas.storage"')[1].split('price_cents = "')[1].split('"')[0]
    (home / "rates.toml").write_text(empty.replace('price_cents = ""', f'price_cents = "{price}"'))
    released = hourtally(*run)
    assert released.returncode == 0
    assert "1 hour built (1 restated" in released.stdout
    assert "rates changed, held before" in released.stdout
    assert documents(home) == undisturbed
    assert (tmp_path / "tree" / "@held.ndjson").read_bytes() == b""
    assert (tmp_path / "tree" / "acme" / "1793610000.json").exists()


def _block(text: str) -> str:
    """The first rate that a run printed."""
    lines = text[text.index("[[rate]]") :].splitlines()
    return "\n".join(line for line in lines if line == "[[rate]]" or " = " in line) + "\n"


def documents_published(home: Path) -> list[str]:
    return [path.parent.name for path in sorted((home / "hours").glob("*/000001.json"))]


def test_an_open_hour_waits_for_the_settle_time(home: Path) -> None:
    hourtally("ingest", home / "inbox", "--home", home, "--now", NOW)
    # 11:09:59.999 is one millisecond before 10:00 has been over for ten minutes.
    early = hourtally("run", "--home", home, "--now", "2026-11-02T11:09:59.999Z")
    assert "1 hour built" in early.stdout
    assert documents_published(home) == ["2026-11-02T09"]
    hourtally("run", "--home", home, "--now", "2026-11-02T11:10:00Z")
    assert documents_published(home) == ["2026-11-02T09", "2026-11-02T10"]


def test_an_empty_hour_is_published_only_with_force(home: Path) -> None:
    empty = ("--from", "2026-11-03T00", "--to", "2026-11-03T01", "--now", NOW, "--home", home)
    shown = ("show", "2026-11-03T00", "--customer", "acme", "--json", "--home", home)
    assert "nothing to do" in hourtally("backfill", *empty).stdout
    unpublished = hourtally(*shown)
    assert (unpublished.returncode, unpublished.stdout) == (1, "")
    assert "never built" in unpublished.stderr
    assert hourtally("backfill", *empty, "--force").returncode == 0
    assert hourtally(*shown).stdout == (
        '{"data":{"timestamp":1793664000,"paasUsage":{"price":{"total":0,"cpu":0,"memory":0,'
        '"storage":0,"gpu":0},"teams":[]},"byocUsage":{"price":{"total":0,"vcpu":0,"memory":0,'
        '"gpuMemory":0,"cluster":0}}}}\n'
    )


def test_an_idle_backfill_distinguishes_current_hours_from_empty_ones(
    home: Path,
) -> None:
    def said(first: str, end: str, *more: str) -> str:
        range_ = ("--from", first, "--to", end, "--home", home, "--now", NOW)
        done = hourtally("backfill", *range_, *more)
        assert done.returncode == 0
        return done.stdout

    hourtally("run", "--home", home, "--now", NOW)
    # 09, 10 and 11 have events; two hours before them and a year after them have none.
    mixed = (
        "Closed hours of the range: 3 current, {} without events: nothing to do. "
        "`--force` publishes hours without events as zero.\n"
    )
    around = ("2026-11-02T07", "2026-11-02T12")
    assert said(*around) == mixed.format(2)
    assert said(*around, "--dry-run") == mixed.format(2)
    # It is 2026-11-22T00:00, so 22:00 on the 21st is the last that has been over for 10 minutes.
    closed_without_events = 7 + 12 + 18 * 24 + 23
    assert said("2026-11-02T02", "2027-11-02T02") == mixed.format(closed_without_events)
    whole = "Every closed hour of the range is current: nothing to do.\n"
    assert said("2026-11-02T09", "2026-11-02T12") == whole
    assert said("2026-12-01T00", "2026-12-02T00") == (
        "No hour of the range is closed yet: nothing to do.\n"
    )
    # Published as zero, they are current.
    said(*around, "--force")
    assert said(*around) == whole


def test_the_export_follows_restatements(home: Path, tmp_path: Path) -> None:
    (home / "inbox" / "late.ndjson").rename(home / "late.ndjson")
    tree = tmp_path / "tree"
    run = ("run", "--home", home, "--now", NOW, "--export", tree)
    hourtally(*run)
    files = {str(path.relative_to(tree)) for path in tree.glob("[!@]*/*.json")}
    customers = ("acme", "globex", "initech")
    # 2026-11-02T09 is 1793610000.
    hours = (1793610000, 1793613600, 1793617200)
    assert files == {f"{customer}/{hour}.json" for customer in customers for hour in hours}
    before = everything(tree)
    shutil.move(home / "late.ndjson", home / "inbox")
    hourtally(*run)
    after = everything(tree)
    changed = {str(Path(name).relative_to(tree)) for name in after if after[name] != before[name]}
    assert "acme/1793610000.json" in changed
    assert not any("1793613600" in name or "1793617200" in name for name in changed)
    shown = hourtally("show", "1793610000", "--customer", "acme", "--json", "--home", home)
    assert shown.returncode == 0
    exported = json.loads((tree / "acme" / "1793610000.json").read_bytes())
    assert (
        exported["data"]["paasUsage"]["price"]
        == (json.loads(shown.stdout)["data"]["paasUsage"]["price"])
    )


def test_the_pipeline_never_imports_prefect() -> None:
    code = "import hourtally.cli.jobs, sys; sys.exit('prefect' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), check=False)
    assert done.returncode == 0
