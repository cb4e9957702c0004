"""S3 servers on loopback: moto, and SeaweedFS, a real one."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from tests.support.command_line import environment

WAIT_SECONDS = 60


@dataclass(frozen=True)
class S3Server:
    """A server. variables: of the environment of whoever uses it."""

    url: str
    variables: dict[str, str]

    @property
    def client(self) -> Any:
        """boto3's client."""
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
        return boto3.client("s3", endpoint_url=self.url, region_name="us-east-1", **keys)

    def bucket(self) -> str:
        """The name of a new bucket."""
        name = f"bucket-{secrets.token_hex(4)}"
        self.client.create_bucket(Bucket=name)
        return name

    def keys(self, bucket: str) -> list[str]:
        """The keys of all objects, sorted."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return sorted(one["Key"] for page in pages for one in page.get("Contents", []))


def free_ports(number: int) -> list[int]:
    """Ports of loopback that nobody listens on, nor 10,000 above, where SeaweedFS has its gRPC.

    Below those that the system gives to clients, of which one might be taken by then.
    """
    found: list[int] = []
    while len(found) < number:
        port = 12_000 + secrets.randbelow(10_000)
        with contextlib.ExitStack() as open_sockets, contextlib.suppress(OSError):
            for one in (port, port + 10_000):
                open_sockets.enter_context(socket.socket()).bind(("127.0.0.1", one))
            if port not in found:
                found.append(port)
    return found


@contextlib.contextmanager
def s3_server(kind: str, folder: Path) -> Iterator[S3Server]:
    """A server of a kind, `moto` or `seaweedfs`, with its files in a folder, until the end."""
    port, *others = free_ports(4)
    if kind == "moto":
        command = [str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1"]
        command += ["-p", str(port)]
    else:
        names = ("master.port", "volume.port", "filer.port")
        command = [str(Path(sys.executable).parent / "weed"), "server", f"-dir={folder}"]
        command += [
            "-ip=127.0.0.1",
            "-s3",
            f"-s3.port={port}",
            "-volume.max=300",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ]
        command += [f"-{name}={other}" for name, other in zip(names, others, strict=True)]
    url = f"http://127.0.0.1:{port}"
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, process_group=0)
    try:
        server = S3Server(
            url,
            {
                **environment(),
                "AWS_ENDPOINT_URL": url,
                "AWS_ACCESS_KEY_ID": "x",
                "AWS_SECRET_ACCESS_KEY": "y",
                "AWS_REGION": "us-east-1",
                "XDG_CACHE_HOME": str(folder / "cache"),
            },
        )
        _wait_for(server, process)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(server: S3Server, process: subprocess.Popen[bytes]) -> None:
    """Wait until a bucket can be made and written to."""
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            server.client.put_object(Bucket=server.bucket(), Key="x", Body=b"x")
        except Exception:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.3)
        else:
            return
