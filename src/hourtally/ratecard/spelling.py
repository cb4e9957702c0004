"""Spelling: names that differ by case or by one edit are likely one name."""

from __future__ import annotations

from collections import defaultdict
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


class Spellings:
    """Known words, to be asked for those that are spelt nearly as another one.

    For 20,000 words against 10,000 known ones, comparing all pairs would take minutes. Words one
    edit apart have a form in common: themselves, or themselves less one letter.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._known = frozenset(known)
        self._by_form: defaultdict[int, set[str]] = defaultdict(set)
        for word in self._known:
            for form in _forms(word.casefold()):
                self._by_form[form].add(word)

    def near(self, word: str) -> list[str]:
        """The known words that differ by case only, else those that differ by one edit; sorted.

        None if the word is known itself.
        """
        if word in self._known:
            return []
        folded = word.casefold()
        candidates = {known for form in _forms(folded) for known in self._by_form.get(form, ())}
        by_case = [known for known in candidates if known.casefold() == folded]
        return sorted(
            by_case or [known for known in candidates if is_one_edit(folded, known.casefold())]
        )


def _forms(word: str) -> set[int]:
    # Hashes, as the forms of a word of 256 letters take 64 KB.
    return {hash(word), *(hash(word[:at] + word[at + 1 :]) for at in range(len(word)))}
