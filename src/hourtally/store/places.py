"""Places that people name: paths, and URLs of object stores."""

from __future__ import annotations

from pathlib import Path

from hourtally.errors import URLS


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
    for root, url in URLS.items():
        if place == url or place.startswith(f"{url}/"):
            return Path(root + place.removeprefix(url))
    from hourtally.store.objects.opening import bucket_of

    bucket = bucket_of(place)
    return Path(f"{folder_of(bucket)}{place.removeprefix(bucket)}")
