"""Places that people name: paths, and URLs of object stores."""

from __future__ import annotations

from pathlib import Path

from hourtally.errors import URLS, InvalidArgument


def is_url(place: str) -> bool:
    """Whether a place is a URL, not a path."""
    return "://" in place


def folder_of(place: str) -> Path:
    """The folder at a path, or the local one that stands for a URL.

    Raises:
        InvalidArgument: it is not a URL of a store that can be used.
        HourtallyError: obstore is not installed.
    """
    if not is_url(place):
        return Path(place)
    _check_parts(place)
    # Homes on disk do not need it.
    from hourtally.store.objects.opening import open_url

    return open_url(place)


def path_at(place: str) -> Path:
    """The path of a file or folder, or the one that stands for its URL: in a home, or its bucket.

    Raises:
        InvalidArgument, HourtallyError: as `folder_of`.
    """
    if not is_url(place):
        return Path(place)
    place = place.rstrip("/")
    _check_parts(place)
    for root, url in URLS.items():
        if place == url or place.startswith(f"{url}/"):
            return Path(root + place.removeprefix(url))
    from hourtally.store.objects.opening import bucket_of

    bucket = bucket_of(place)
    return Path(f"{folder_of(bucket)}{place.removeprefix(bucket)}")


def _check_parts(url: str) -> None:
    """Check that objects can be named below a URL.

    Raises:
        InvalidArgument: a part of it is empty, `.` or `..`, which stores take as they stand.
    """
    parts = url.rstrip("/").partition("://")[2].split("/")
    wrong = sorted({"", ".", ".."}.intersection(parts[1:]))
    if wrong:
        what = " and ".join("an empty part" if not one else f"the part {one!r}" for one in wrong)
        message = f"{url!r} has {what}, which no name in an object store may have; correct the URL"
        raise InvalidArgument(message)
