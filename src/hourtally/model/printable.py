"""Make outside text safe to print: names of files and customers may contain anything."""

from __future__ import annotations


def printable(text: str) -> str:
    """Escape characters that a terminal would interpret, reorder or not show."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text)


def counted(number: int, noun: str) -> str:
    """`1 hour`, `2 hours`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def printable_message(text: str) -> str:
    """As `printable` for a message of several lines; all but the first are indented.

    So a line break in a file's name cannot start a line that looks like another message.
    """
    first, *others = map(printable, text.split("\n"))
    return "\n".join([first, *(o if o.startswith(" ") else f"  {o}" for o in others)])
