"""Text from outside, fit for a terminal: names of files and customers may hold anything."""

from __future__ import annotations


def escaped(text: str) -> str:
    """Text without a character that a terminal would obey, turn around or not show."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text)


def escaped_message(text: str) -> str:
    """A message of one line or more; all but the first are indented.

    So a line break in a file's name begins no line that looks like another message.
    """
    first, *others = map(escaped, text.split("\n"))
    return "\n".join([first, *(o if o.startswith(" ") else f"  {o}" for o in others)])
