"""Symbolic links inside a home: none is followed to where something is written.

Whoever may write into one of a home's folders could otherwise lead a run out of it. The home
folder itself may be a link: that is its owner's choice.
"""

from __future__ import annotations

from pathlib import Path

from hourtally.errors import StorageFault
from hourtally.store.layout import Home


def refuse_links(home: Home, *folders: Path) -> None:
    """Make sure that nothing between a home and folders of it is a symbolic link.

    Raises:
        StorageFault: something is.
    """
    for folder in folders:
        path = home.root
        for part in folder.relative_to(home.root).parts:
            path = path / part
            if path.is_symlink():
                message = (
                    f"{path}: a symbolic link stands where a folder of the home should be, and is "
                    "not followed. Remove it, then run the same command again"
                )
                raise StorageFault(message)
