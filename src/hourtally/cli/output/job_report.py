"""Reports of what a job did, as tables on standard output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hourtally.build.builder import BuildReport
from hourtally.build.empty_hours import EmptyHours
from hourtally.build.estimate import Estimate
from hourtally.build.rates.held_hours import HeldHours
from hourtally.build.staleness import IdleSummary, StaleHour, describe_reasons
from hourtally.cli.output.text_table import (
    console,
    counted,
    counts,
    lines_of,
    prices,
    print_lines,
    print_text,
    texts,
)
from hourtally.jobs.left_out import left_out, void_sentences
from hourtally.jobs.report import JobReport
from hourtally.jobs.sentences import empty_sentence, restated_sentence
from hourtally.model.hours import format_instant
from hourtally.model.money import format_cents
from hourtally.ratecard import SuggestedRate

if TYPE_CHECKING:
    from hourtally.published.export import ExportReport
    from hourtally.verify import Findings

AFTER_DIFFERENCES = (
    "verification failed. Restore changed files from a backup. If only a revision is wrong, "
    "publish its hour again with `hourtally backfill --force`; the wrong revision stays for "
    "`hourtally diff`. If slices are not those of their event file, `hourtally ingest --again` it."
)


def print_built(
    report: BuildReport, rest: IdleSummary | None = None, empty: EmptyHours | None = None
) -> None:
    """One row per published revision, a line of sums, and which hours have no events.

    `rest` says why if none was published.
    """
    if report.built:
        _print_revisions(report)
    elif not report.failed and not report.undone:
        print_nothing_to_do(rest, empty)
    sentences = [restated_sentence(report), empty_sentence(empty) if empty else ""]
    for sentence in filter(None, sentences):
        print_text(console(), sentence)


def _print_revisions(report: BuildReport) -> None:
    columns = [
        counts("revision", [receipt.revision for receipt in report.built]),
        texts("why", [describe_reasons(receipt.reasons) for receipt in report.built]),
        counts("customers", [receipt.customers for receipt in report.built]),
        counts("resources", [receipt.resources for receipt in report.built]),
        prices("cents", [receipt.total_nanocents for receipt in report.built]),
    ]
    print_lines(console(), lines_of(["hour", *(one.hour for one in report.built)], columns, None))
    total = format_cents(sum(receipt.total_nanocents for receipt in report.built))
    restated = sum(receipt.revision > 1 for receipt in report.built)
    console().print(
        f"{counted(len(report.built), 'hour')} built ({restated} restated), {total} cents in "
        f"total; {left_out(report.built)}."
    )
    for sentence in void_sentences(report.built):
        print_text(console(), sentence)


def print_suggested_rates(held: HeldHours) -> None:
    """The rates that would release all held customers, as TOML to be added to the card."""
    print_blocks(held.suggested)


def print_blocks(suggested: Iterable[SuggestedRate]) -> None:
    """Rates that close gaps as TOML, each with what it closes as a comment."""
    out = console()
    for one in suggested:
        gap = one.example
        print_text(out, "")
        print_text(
            out,
            f"# {counted(one.customers, 'customer')} held in {counted(one.hours, 'hour')}: no rate "
            f"from {format_instant(one.from_ms)} until {format_instant(one.until_ms)}",
        )
        print_text(
            out,
            f"# for example customer {gap.customer_id!r}: {gap.resource_id!r} of batch {gap.batch}",
        )
        for name, used, near in one.spellings:
            print_text(out, f"# {name} {used!r}: the card has {near!r}")
        for line in one.block.split("\n"):
            print_text(out, line)


def interrupted(report: JobReport) -> str:
    """How far an interrupted job got."""
    built = report.built
    left = [
        counted(number, what)
        for number, what in ((built.undone, "hour"), (report.ingested.undone, "file"))
        if number
    ]
    total = len(built.built) + len(built.failed) + built.undone
    last = f" (the last is {built.built[-1].hour})" if built.built else ""
    return (
        f"interrupted: {len(built.built)} of {counted(total, 'hour')} built{last}; "
        f"{' and '.join(left)} left. Run the same command again to continue."
    )


def print_nothing_to_do(rest: IdleSummary | None, empty: EmptyHours | None = None) -> None:
    """Why nothing is to be built.

    Args:
        rest: counts the closed hours of a range, if one was given.
        empty: the hours without events, if somebody looked: they are not current.
    """
    console().print(_nothing_to_do(rest, empty), soft_wrap=True)


def _nothing_to_do(rest: IdleSummary | None, empty: EmptyHours | None) -> str:
    if empty is not None and (empty.hours or empty.newest_is_empty):
        return "No hour is stale: nothing to do."
    if rest is None:
        return "Every closed hour is current: nothing to do."
    if not rest.without_events:
        if not rest.current:
            return "No hour of the range is closed yet: nothing to do."
        return "Every closed hour of the range is current: nothing to do."
    return (
        f"Closed hours of the range: {rest.current} current, {rest.without_events} without "
        "events: nothing to do. `--force` publishes hours without events as zero."
    )


def print_stale(stale: Sequence[StaleHour], expected: Estimate | None) -> None:
    """Which hours a backfill would build, why, and how long it would take."""
    columns = [texts("why", [describe_reasons(one.reasons) for one in stale])]
    print_lines(console(), lines_of(["hour", *(one.hour.name for one in stale)], columns, None))
    pace = (
        "no estimate before the first build"
        if expected is None
        else f"in about {_duration(expected.seconds)} at the pace of the last "
        f"{counted(expected.builds, 'build')}"
    )
    console().print(f"{counted(len(stale), 'hour')} would be built, {pace}.", soft_wrap=True)


def _duration(seconds: float) -> str:
    for unit, size in (("hours", 3_600), ("minutes", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def print_export(report: ExportReport, directory: Path, customer: str | None = None) -> None:
    """How many files an export wrote and removed; customer: whose alone it is."""
    print_text(
        console(),
        f"{counted(report.written, 'file')} written to {directory}, "
        f"{report.removed} removed; {counted(report.hours, 'hour')} exported, "
        f"{report.current} up to date.",
    )
    if customer is not None and report.hours and not (report.written or report.removed):
        print_text(
            console(), "No hour has a document of this customer. Ids must match the events exactly."
        )


def print_verified(findings: Findings, *, from_files: bool) -> None:
    """What was verified, the first differences, and what could not be recomputed or compared."""
    from hourtally.verify import MAX_LISTED

    out = console()
    for difference in findings.listed:
        print_text(out, str(difference))
    if findings.differences > len(findings.listed):
        out.print(f"… and {findings.differences - len(findings.listed)} more")
    for hour, reasons in findings.checksums_only[:MAX_LISTED]:
        out.print(f"{hour}: stale ({reasons}): checksums only")
    if len(findings.checksums_only) > MAX_LISTED:
        out.print(f"… and {len(findings.checksums_only) - MAX_LISTED} more stale hours")
    if findings.pruned:
        out.print(
            f"{counted(findings.pruned, 'superseded revision')} pruned: only manifests are left.",
            soft_wrap=True,
        )
    if from_files:
        _print_read_again(findings)
    found = findings.differences
    checksums_only = (
        f" ({len(findings.checksums_only)} stale, by checksums only)"
        if findings.checksums_only
        else ""
    )
    out.print(
        f"{counted(findings.hours, 'hour')} verified{checksums_only}, "
        f"{counted(findings.documents, 'document')} and {counted(findings.charges, 'charge')} "
        f"recomputed: {counted(found, 'difference') if found else 'no differences'}.",
        soft_wrap=True,
    )


def _print_read_again(findings: Findings) -> None:
    out = console()
    for file, why in findings.left_out:
        print_text(out, f"{file}: not compared: {why}")
    if findings.files_left_out > len(findings.left_out):
        out.print(f"… and {findings.files_left_out - len(findings.left_out)} more event files")
    left_out = f", {findings.files_left_out} not" if findings.files_left_out else ""
    out.print(
        f"{counted(findings.files, 'event file')} ({counted(findings.lines, 'line')}) read again "
        f"and compared{left_out}.",
        soft_wrap=True,
    )
