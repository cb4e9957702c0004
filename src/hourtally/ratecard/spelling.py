"""Spelling: names that differ by case or by one edit are likely one name."""

from __future__ import annotations

from collections.abc import Iterable


def nearest_spelling(word: str, known: Iterable[str]) -> str | None:
    """The first known word that differs by case only, else by one edit, case aside; else None."""
    others = [other for other in known if other != word]
    folded = word.casefold()
    for other in others:
        if other.casefold() == folded:
            return other
    return next((other for other in others if is_one_edit(folded, other.casefold())), None)


def is_one_edit(one: str, other: str) -> bool:
    """Whether one letter more, less or other, or two neighbours swapped, make them equal."""
    shorter, longer = sorted((one, other), key=len)
    if len(longer) - len(shorter) > 1 or one == other:
        return False
    at = next((i for i, c in enumerate(shorter) if c != longer[i]), len(shorter))
    if len(shorter) < len(longer):
        return shorter[at:] == longer[at + 1 :]
    swapped = shorter[:at] + shorter[at + 1 : at + 2] + shorter[at] + shorter[at + 2 :]
    return shorter[at + 1 :] == longer[at + 1 :] or swapped == longer
