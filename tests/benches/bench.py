"""What every benchmark uses: inputs made once, and commands to measure."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.benches.measure import Command, Measured, measure, run_and_read, run_once

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FIRST_HOUR = "2025-01-01T00"
FIRST_TIMESTAMP = 1_735_689_600
# Variables of the calling shell that would change the results.
_UNSET = ("HOURTALLY_HOME", "PREFECT_API_URL", "PYTHONDONTWRITEBYTECODE", "POLARS_MAX_THREADS")


@dataclass(frozen=True)
class Input:
    """Events to generate, see `generator`; resources and customers are per hour."""

    events: int
    resources: int
    customers: int
    hours: int = 1
    files: int = 1
    resent: bool = False

    @property
    def name(self) -> str:
        """The input's folder name."""
        return "-".join(f"{key}={int(value)}" for key, value in asdict(self).items())


def usual(events: int, *, hours: int = 1, files: int = 1, resent: bool = False) -> Input:
    """A typical hour: 50 events per resource, 10 resources per customer."""
    an_hour = events // hours
    return Input(events, max(1, an_hour // 50), max(1, an_hour // 500), hours, files, resent)


@dataclass
class Bench:
    """One run of the benchmarks. measured: every command so far, for the table of commands."""

    folder: Path
    runs: int
    scale: float
    say: Callable[[str], None]
    measured: list[Measured] = field(default_factory=list)

    @property
    def scratch(self) -> Path:
        """Where yardsticks write their output."""
        return self.folder / "scratch"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every process: it uses this tree, installed or not."""
        environment = {name: value for name, value in os.environ.items() if name not in _UNSET}
        return environment | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}

    def scaled(self, number: int) -> int:
        """A size at this run's scale."""
        return max(1, round(number * self.scale))

    def measure(self, *commands: Command) -> list[Measured]:
        """Run the commands alternately; the results also go into the table of commands."""
        for command in commands:
            self.say(f"measuring {command.name}")
        try:
            measured = measure(commands, self.runs, self.environment)
        finally:
            shutil.rmtree(self._forgotten, ignore_errors=True)
        self.measured += measured
        return measured

    def forget_builds(self, home: Path) -> Callable[[], None]:
        """A function that resets a home to where nothing is built.

        It moves the hours aside; they are removed after all runs: for minutes after
        many files were removed, Linux looks at each of their inodes before it makes a new file
        (`recently_deleted`, in an ext4 without a journal), a tenth of what small hours take.
        """

        def forget() -> None:
            if (home / "hours").exists():
                self._forgotten.mkdir(exist_ok=True)
                (home / "hours").rename(self._forgotten / secrets.token_hex(8))

        return forget

    @property
    def _forgotten(self) -> Path:
        return self.scratch / "forgotten"

    def do(self, *arguments: str) -> None:
        """Run a process without measuring it."""
        run_once(arguments, self.environment)

    def said(self, *arguments: str) -> str:
        """The output of a Python process."""
        return run_and_read([sys.executable, *arguments], self.environment)[1]

    def lines(self, wanted: Input) -> Path:
        """An NDJSON file of these events."""

        def make(folder: Path) -> None:
            self._generate(wanted, folder, "ndjson")

        return self._made(f"ndjson-{wanted.name}", make) / "events-000.ndjson"

    def rows(self, wanted: Input) -> Path:
        """A Parquet file of these events."""

        def make(folder: Path) -> None:
            self._generate(wanted, folder, "parquet")

        return self._made(f"parquet-{wanted.name}", make) / "events-000.parquet"

    def home(self, wanted: Input) -> Path:
        """A home folder that has ingested these events, as Parquet, and built nothing."""

        def make(home: Path) -> None:
            fresh_home(home)
            files = home.with_name("parquet")
            self._generate(wanted, files, "parquet")
            self.do(*hourtally("ingest", str(files), "--home", str(home)))
            shutil.rmtree(files)

        return self._made(f"home-{wanted.name}", make)

    def _generate(self, wanted: Input, folder: Path, suffix: str) -> None:
        options = {key: value for key, value in asdict(wanted).items() if key != "resent"}
        self.do(
            *(sys.executable, "-m", "tests.benches.generator", str(folder), "--format", suffix),
            *(f"--{key}={value}" for key, value in options.items()),
            *(["--resent"] if wanted.resent else []),
        )

    def _made(self, name: str, make: Callable[[Path], None]) -> Path:
        """A folder of this name, made now unless an earlier run kept it."""
        path = self.folder / name
        if not path.exists():
            self.say(f"making {name}")
            unfinished = self.folder / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            make(unfinished / name)
            (unfinished / name).rename(path)
        return path


def fresh_home(home: Path) -> None:
    """An empty home with the benchmark's rates, in place of whatever was there."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    shutil.copy(HERE / "rates.toml", home)


def hourtally(*arguments: str) -> list[str]:
    """A command of hourtally as the console script runs it."""
    return [sys.executable, "-m", "hourtally", *arguments]


def backfill(home: Path, *options: str, to: str = "2025-01-01T01") -> list[str]:
    """`hourtally backfill` from the first hour to another, exclusive."""
    return hourtally("backfill", "--from", FIRST_HOUR, "--to", to, "--home", str(home), *options)


def events_of(home: Path) -> str:
    """A glob pattern of a home's slices."""
    return f"{home}/events/*/*.parquet"


def floor(home: Path, out: Path) -> list[str]:
    """Yardstick (a): read the slices, write the documents' bytes."""
    return [sys.executable, str(HERE / "yardsticks/floor.py"), str(home), str(out)]


def sql(*scripts: str, **variables: Path | str | int) -> list[str]:
    """Yardsticks (b) and (c): SQL scripts and their variables."""
    script = str(HERE / "yardsticks/run_sql.py")
    return [sys.executable, script, *scripts, *(f"{k}={v}" for k, v in variables.items())]
