"""From a URL to a home: a client of the store, and a local working folder."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import importlib
import os
import re
import secrets
import shutil
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

from hourtally.errors import HourtallyError, InvalidArgument, StorageFault
from hourtally.settings import cache_folder
from hourtally.store.files import mount, mounted_at
from hourtally.store.objects.cache import RecordCache
from hourtally.store.objects.client import Client
from hourtally.store.objects.files import ObjectFiles


class _Workspace(NamedTuple):
    """The folder of unfinished work of a process."""

    folder: Path
    pid: int


SCHEMES: Final = ("s3", "gs", "az", "memory")
_URL: Final = re.compile(r"([a-z0-9+.-]+)://(.*)", re.ASCII | re.DOTALL)
_RETRIES: Final = {
    "max_retries": 8,
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=5),
        "base": 2,
    },
    "retry_timeout": timedelta(seconds=60),
}
_CLIENT: Final = {"timeout": timedelta(seconds=60), "connect_timeout": timedelta(seconds=5)}

_lock: Final = Lock()
_memory: Final[dict[str, Any]] = {}
_workspaces: Final[list[_Workspace]] = []


def open_url(url: str) -> Path:
    """The local working folder that stands for a place in an object store.

    Raises:
        InvalidArgument: it is not a URL of a store that can be used.
    """
    url = url.rstrip("/")
    with _lock:
        found = mounted_at(url)
        if found is None:
            client = connect(url)
            digest = hashlib.sha256(url.encode()).hexdigest()[:16]
            folder = cache_folder() / digest
            try:
                found = _new_workspace(folder / "work")
            except OSError as error:
                message = (
                    f"{folder}: no room for unfinished work: {error.strerror}. Set "
                    "XDG_CACHE_HOME to a folder that this user may write"
                )
                raise StorageFault(message) from error
            cache = RecordCache(folder / "records")
            mount(found, ObjectFiles(client, found, cache), url)
        return found


def bucket_of(url: str) -> str:
    """The URL of the bucket that a URL is of.

    Raises:
        InvalidArgument: it is not a URL of a store that can be used.
    """
    scheme, bucket, _ = _parts(url)
    return f"{scheme}://{bucket}"


def connect(url: str) -> Client:
    """A client of the objects below a URL.

    Raises:
        InvalidArgument: it is not a URL of a store that can be used.
        HourtallyError: obstore is not installed.
    """
    scheme, bucket, prefix = _parts(url)
    try:
        obstore = importlib.import_module("obstore")
    except ModuleNotFoundError:
        message = (
            f"{url}: obstore, which reads and writes object stores, is not installed: run "
            "`pip install hourtally[object-store]`"
        )
        raise HourtallyError(message) from None
    return Client(_store(scheme, bucket), prefix, url, obstore)


def _parts(url: str) -> tuple[str, str, str]:
    """The scheme of a URL, its bucket, and the prefix in it."""
    match = _URL.fullmatch(url)
    scheme = match[1] if match else ""
    if match is None or scheme not in SCHEMES or not match[2].partition("/")[0]:
        known = ", ".join(f"{one}://" for one in SCHEMES[:-1])
        message = f"{url!r} is not a URL that can be used: it is a path, or begins with {known}"
        raise InvalidArgument(message)
    # In az:// an account comes before the container.
    of_bucket = 2 if scheme == "az" else 1
    parts = match[2].strip("/").split("/", of_bucket)
    return scheme, "/".join(parts[:of_bucket]), "/".join(parts[of_bucket:])


def _store(scheme: str, bucket: str) -> Any:
    stores = importlib.import_module("obstore.store")
    if scheme == "memory":
        return _memory.setdefault(bucket, stores.MemoryStore())
    # A store on this machine or in this network may have no certificate.
    endpoint = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "")
    options = {**_CLIENT, **({"allow_http": True} if endpoint.startswith("http://") else {})}
    return stores.from_url(f"{scheme}://{bucket}", client_options=options, retry_config=_RETRIES)


_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


def _new_workspace(folder: Path) -> Path:
    """A folder for this process's unfinished work; those of processes that have ended are removed.

    One process does so at a time, as another one would remove a folder that is not locked yet.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(whole, fcntl.LOCK_EX)
        for other in folder.iterdir():
            _remove_if_left(other)
        workspace = folder / f"{os.getpid()}-{secrets.token_hex(4)}"
        workspace.mkdir()
        # It stays open as long as this process lives: by its lock others see that it is in use.
        descriptor = os.open(workspace, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(whole)
    if not _workspaces:
        # Workers end with their pool, whoever started them.
        atexit.register(remove_workspaces)
    _workspaces.append(_Workspace(workspace, os.getpid()))
    return workspace.resolve()


def _remove_if_left(workspace: Path) -> None:
    """Remove the folder of a process that has ended."""
    with contextlib.suppress(OSError):
        descriptor = os.open(workspace, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(workspace, ignore_errors=True)
        finally:
            os.close(descriptor)


def remove_workspaces() -> None:
    """Remove this process's unfinished work at its end; a forked one leaves its parent's."""
    while _workspaces:
        workspace = _workspaces.pop()
        if workspace.pid == os.getpid():
            shutil.rmtree(workspace.folder, ignore_errors=True)
