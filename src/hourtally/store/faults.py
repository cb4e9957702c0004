"""What an object store refuses, as errors of the system that name the object's URL."""

from __future__ import annotations

import errno
import re
from typing import Final

_QUERY: Final = re.compile(r"\?\S*")
_LONGEST: Final = 300
# Where the credentials of a machine's role are asked for, after everything else.
_OF_INSTANCES: Final = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")
_NO_CREDENTIALS: Final = (
    "set them in the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give "
    "this machine a role"
)
_ADVICE: Final = "check the network and the store"


class StoreFault(OSError):
    """An object store refused a call, or did not answer. advice: what to do about it."""

    def __init__(self, code: int, cause: str, url: str, advice: str) -> None:
        super().__init__(code, cause, url)
        self.advice = advice

    def __reduce__(self) -> tuple[type[StoreFault], tuple[int, str, str, str]]:
        """Worker processes hand their errors back pickled."""
        return type(self), (self.errno or 0, str(self.strerror), str(self.filename), self.advice)


def store_fault(error: Exception, url: str) -> OSError:
    """The fault of a call on an object; a missing object is a `FileNotFoundError`."""
    kind, text = type(error).__name__, str(error)
    # What follows is for developers, and may quote signed addresses.
    first = _QUERY.sub("", text.partition("\n")[0])[:_LONGEST]
    if "NoSuchBucket" in text or "ContainerNotFound" in text or "bucket does not exist" in text:
        advice = "create it, or correct the URL"
        return StoreFault(errno.EIO, "there is no such bucket", url, advice)
    if any(address in text for address in _OF_INSTANCES):
        return StoreFault(errno.EACCES, "no credentials were found", url, _NO_CREDENTIALS)
    if isinstance(error, FileNotFoundError) or kind == "NotFoundError":
        return FileNotFoundError(errno.ENOENT, "there is no such object", url)
    if kind in {"PermissionDeniedError", "UnauthenticatedError"} or "InvalidAccessKeyId" in text:
        advice = "give these credentials the permissions that docs/object-storage.md lists"
        return StoreFault(errno.EACCES, f"access denied ({first})", url, advice)
    if kind == "InvalidPathError":
        advice = "rename or remove that object, which nothing of Hourtally's is named like"
        return StoreFault(errno.EINVAL, first, url, advice)
    return StoreFault(errno.EIO, first, url, _ADVICE)


def contended(url: str) -> OSError:
    """The fault of a conditional write that met others again and again."""
    cause = "other writes of this name were under way each time"
    return StoreFault(errno.EAGAIN, cause, url, "wait for the other writers")


def too_late(url: str, hours: int) -> OSError:
    """The fault of a writer that took so long that its uploads may be gone."""
    cause = f"it began over {hours} hours ago, and its uploads may have been removed meanwhile"
    return StoreFault(errno.ETIME, cause, url, "begin anew")
