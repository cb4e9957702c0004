"""A real Prefect server, as an operator runs it: a process of its own, on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from prefect import State
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    DeploymentFilter,
    DeploymentFilterId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.support.command_line import environment

WAIT_SECONDS = 90
# Prefect 3.9 makes its database first: 70 s on two busy cores.
START_SECONDS = 300
Found = TypeVar("Found")

# Seconds instead of minutes.
_QUICK = {
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "1",
    # Runs are created for the next slot only, so slots are soon missed while the server is down.
    "PREFECT_SERVER_SERVICES_SCHEDULER_MIN_RUNS": "1",
    "PREFECT_SERVER_SERVICES_SCHEDULER_MIN_SCHEDULED_TIME": "PT1S",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "1",
    "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "1",
    "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
}


def until(what: str, found: Callable[[], Found | None], seconds: float = WAIT_SECONDS) -> Found:
    """Wait until `found` returns something true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if one := found():
            return one
        time.sleep(0.1)
    message = f"{what}: not within {seconds} s"
    raise AssertionError(message)


@dataclass
class PrefectServer:
    """A server process. home: its PREFECT_HOME, which also has its log."""

    home: Path
    port: int = 0
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def environment(self) -> dict[str, str]:
        """For commands that it records."""
        quiet = {"PREFECT_HOME": str(self.home), "DO_NOT_TRACK": "1"}
        binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return environment() | quiet | _QUICK | {"PREFECT_API_URL": self.url, "PATH": binaries}

    def start(self) -> None:
        if not self.port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        command = ["server", "start", "--host", "127.0.0.1", "--port", str(self.port), "--no-ui"]
        self.process = self.spawn("-m", "prefect", *command, "--analytics-off", log="server.log")
        until("the Prefect server answers", self._answers, START_SECONDS)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.home / "server.log").read_text()
        try:
            return httpx.get(f"{self.url}/health").is_success
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """As when the machine loses power."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(WAIT_SECONDS)
        finally:
            self.kill()

    def spawn(
        self, *arguments: str | Path, log: str, home: Path | None = None
    ) -> subprocess.Popen[str]:
        """Start Python with these arguments, in a process group of its own, logging to a file."""
        where = {"HOURTALLY_HOME": str(home)} if home else {}
        with (self.home / log).open("a") as messages:
            return subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=messages,
                stderr=messages,
                text=True,
                env=self.environment | where,
                cwd=self.home,
                process_group=0,
            )

    def run(self, arguments: Sequence[str | Path], cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments to its end."""
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=cwd,
            check=False,
        )

    def client(self) -> SyncPrefectClient:
        with temporary_settings({PREFECT_API_URL: self.url}):
            return get_client(sync_client=True)

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """It records the flows of this process."""
        with temporary_settings({PREFECT_API_URL: self.url}):
            yield
            # While the server is still up.
            APILogHandler().flush()

    def final_state(self, returned: State[Any]) -> State[Any]:
        """The state that the server has for the run that returned this one."""
        assert returned.state_details.flow_run_id is not None
        with self.client() as client:
            state = client.read_flow_run(returned.state_details.flow_run_id).state
        assert state is not None
        return state

    def artifact(self, key: str) -> Any:
        """The data of the newest artifact of a key."""
        with self.client() as client:
            every = client.read_artifacts(
                artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
            )
        newest = max(every, key=lambda one: str(one.created))
        is_json = isinstance(newest.data, str) and newest.type == "table"
        return json.loads(str(newest.data)) if is_json else newest.data

    def deployment(self, name: str) -> DeploymentResponse | None:
        with self.client() as client:
            try:
                return client.read_deployment_by_name(name)
            except ObjectNotFound:
                return None

    def runs(self, name: str) -> list[FlowRun]:
        """The runs of a deployment, by expected start time."""
        deployment = self.deployment(name)
        if deployment is None:
            return []
        with self.client() as client:
            every = client.read_flow_runs(
                deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
                sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            )
        return sorted(every, key=lambda run: str(run.expected_start_time))
