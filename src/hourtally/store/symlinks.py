"""Reject symbolic links inside a home before anything is written there.

Otherwise anybody who may write into one of a home's folders could redirect writes to another
place. The home folder itself may be a link: that is its owner's choice.
"""

from __future__ import annotations

from pathlib import Path

from hourtally.errors import StorageFault
from hourtally.store.layout import Home


def reject_symlinks(home: Home, *folders: Path) -> None:
    """Make sure that no part of these folders' paths inside the home is a symbolic link.

    Raises:
        StorageFault: some part is.
    """
    for folder in folders:
        path = home.root
        for part in folder.relative_to(home.root).parts:
            path = path / part
            if path.is_symlink():
                message = (
                    f"{path}: a symbolic link is where a folder of the home should be; it is not "
                    "followed. Remove it, then run the same command again"
                )
                raise StorageFault(message)
