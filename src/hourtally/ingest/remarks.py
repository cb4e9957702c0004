"""What there is to say of files that are not taken now, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from hourtally.ingest.discovery import Tally


def remarks(passed_over: Tally, quarantined: Tally, withdrawn: Tally) -> Iterator[str]:
    """A sentence for each kind of file that there is.

    Args:
        passed_over: files that are not taken, each with its `file` and `why`.
        quarantined: inbox files of earlier runs, each with its `file` and `quarantine`.
        withdrawn: inbox files, each with its `file` and `batch`.
    """
    if passed_over.count:
        examples = [f"{one['file']} ({one['why']})" for one in passed_over.examples]
        yield f"Passed over: {_listed(passed_over.count, 'file', examples)}."
    if quarantined.count:
        examples = [f"{one['file']} (see {one['quarantine']})" for one in quarantined.examples]
        listed = _listed(quarantined.count, "inbox file", examples)
        yield f"Lines in quarantine since earlier runs: {listed}."
    if withdrawn.count:
        examples = [f"{one['file']} (batch {one['batch']})" for one in withdrawn.examples]
        yield f"Withdrawn: {_listed(withdrawn.count, 'inbox file', examples)}."


def in_conflict(identities: int, losers: int) -> str:
    """`1 identity in conflict (11 slices do not count)`."""
    text = "1 identity in conflict" if identities == 1 else f"{identities} identities in conflict"
    if not identities:
        return text
    return f"{text} ({losers} slice{' does' if losers == 1 else 's do'} not count)"


def _listed(count: int, what: str, examples: list[str]) -> str:
    such_as = ", such as" if count > len(examples) else ":"
    return f"{count} {what}{'' if count == 1 else 's'}{such_as} {', '.join(examples)}"
