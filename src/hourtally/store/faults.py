"""What an object store refuses, as errors of the system that name the object's URL."""

from __future__ import annotations

import errno
import re
from typing import Final

_QUERY: Final = re.compile(r"(\w+://[^\s?]*)\?\S*")
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
_STATUS: Final = re.compile(r"status code: (\d{3})")
_LONGEST: Final = 300
# Where the credentials of a machine's role are asked for, after everything else.
_OF_INSTANCES: Final = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")
_VARIABLES: Final = {
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_KEY or those of a service principal",
}
_DENIED: Final = "give these credentials the permissions that docs/operations.md lists"
_RENEW: Final = "renew the credentials"
_CORRECT: Final = "correct the credentials"
_BY_CODE: Final = {
    "RequestTimeTooSkewed": "set this machine's clock",
    "ExpiredToken": _RENEW,
    "TokenRefreshRequired": _RENEW,
    "InvalidToken": _CORRECT,
    "InvalidAccessKeyId": _CORRECT,
    "SignatureDoesNotMatch": _CORRECT,
    "AuthenticationFailed": _CORRECT,
}
"""What to do where a store refuses credentials, by its code for that."""
_UNKNOWN: Final = "check the credentials, this machine's clock and the store"
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
    code = match[1] if (match := _CODE.search(text)) else ""
    if "NoSuchBucket" in text or "ContainerNotFound" in text or "bucket does not exist" in text:
        advice = "create it, or correct the URL"
        return StoreFault(errno.EIO, "there is no such bucket", url, advice)
    if any(address in text for address in _OF_INSTANCES):
        return StoreFault(errno.EACCES, "no credentials were found", url, _set_credentials(url))
    if isinstance(error, FileNotFoundError) or kind == "NotFoundError":
        return FileNotFoundError(errno.ENOENT, "there is no such object", url)
    first = _first_line(text, code)
    # A refused listing is a `GenericError`, unlike a refused read.
    status = match[1] if (match := _STATUS.search(text)) else ""
    is_denied = kind in {"PermissionDeniedError", "UnauthenticatedError"}
    if is_denied or status in {"401", "403"} or code in _BY_CODE:
        advice = _BY_CODE.get(code, _DENIED)
        return StoreFault(errno.EACCES, f"access denied ({first})", url, advice)
    if kind == "InvalidPathError":
        advice = "rename or remove that object, which nothing of Hourtally's is named like"
        return StoreFault(errno.EINVAL, first, url, advice)
    # What it is about stands in the body, which the answer to a HEAD has not.
    advice = _UNKNOWN if status == "400" and not code else _ADVICE
    return StoreFault(errno.EIO, first, url, advice)


def may_pass(fault: OSError) -> bool:
    """Whether the call may succeed if it is made again."""
    return isinstance(fault, StoreFault) and fault.advice == _ADVICE


def _first_line(text: str, code: str) -> str:
    """What a store said, in a line, and its code for it.

    What follows is for developers, and may quote signed addresses.
    """
    first = _QUERY.sub(r"\1", text.partition("\n")[0])
    said = re.split(r"<\?xml|<Error>", first)[0].rstrip(": ")[:_LONGEST]
    return f"{said}: {code}" if code else said


def _set_credentials(url: str) -> str:
    usual = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    names = _VARIABLES.get(url.partition("://")[0], usual)
    return f"set them in the environment, such as {names}, or give this machine a role"


def contended(url: str) -> OSError:
    """The fault of a conditional write that met others again and again."""
    cause = "other writes of this name were under way each time"
    return StoreFault(errno.EAGAIN, cause, url, "wait for the other writers")


def too_late(url: str, hours: int) -> OSError:
    """The fault of a writer that took so long that its uploads may be gone."""
    cause = f"it began over {hours} hours ago, and its uploads may have been removed meanwhile"
    return StoreFault(errno.ETIME, cause, url, "begin anew")
