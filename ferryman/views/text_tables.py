"""The tables that commands print for people."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from ferryman.operations.refused_deletes import RefusingRegistry
from ferryman.registry_waits import next_login
from ferryman.signature_findings import Finding
from ferryman.store.ledger import ItemSummary
from ferryman.store.records import QUARANTINE, Attempt, RegistryState, Status, TagRecord
from ferryman.store.signatures import SignatureCheck
from ferryman.views.long_table import LongTable
from ferryman.views.reasons import reason_in_words
from ferryman.wording import counted

_PIPE_WIDTH = 4096  # columns: a table in a pipe, for `grep`, must not be cut or folded
# Minimum widths of a terminal, in columns.
_ROOM_FOR_ALL_COUNTS, _ROOM_FOR_TARGET, _ROOM_FOR_NOTES, _ROOM_FOR_SOURCE = 105, 140, 150, 175
_TAG = "item", "tag", "status", "tries"
_MORE_OF_TAG = "pushed", "synced", "source digest", "target digest", "note"
_UNSIGNED: Mapping[int, Finding] = MappingProxyType({})
_COLOURS = {
    "synced": "green", "failed": "red", "running": "cyan", "queued": "yellow", "skipped": "dim",
    "verified": "green", "missing": "yellow", "refused": "red",
    "copy": "yellow", "keep": "green", "adopt": "green", "skip": "dim", "fail": "red",
}  # fmt: skip


def console(*, stderr: bool = False) -> Console:
    """A console for stdout or stderr. If that is no terminal, it is wide enough not to fold lines."""
    made = Console(stderr=stderr, highlight=False, markup=False)
    if not made.file.isatty():  # not `is_terminal`: with FORCE_COLOR, which CI systems set, that is true for a pipe
        made.width = _PIPE_WIDTH
    return made


def summary_table(items: Sequence[ItemSummary], *, width: int) -> Table:
    """A row per item: the number of tags by status. A narrow terminal shows only the most important columns."""
    named = [name for name, needed in (("source", _ROOM_FOR_SOURCE), ("target", _ROOM_FOR_TARGET)) if width >= needed]
    roomy = width >= _ROOM_FOR_ALL_COUNTS
    statuses: list[Status] = (
        ["synced", "queued", "running", "failed", "skipped"] if roomy else ["synced", "queued", "failed"]
    )
    table = new_table("item", *named, *statuses, *(["gone"] if roomy else []), "last synced")
    for item in items:
        names = [getattr(item, name) for name in named]
        counts = [_count(item.counts[status], status) for status in statuses]
        gone = [str(item.gone or "-")] if roomy else []
        table.add_row(item.name, *names, *counts, *gone, when(item.last_synced_at))
    return table


def _count(number: int, status: Status) -> Text:
    return Text(str(number) if number else "-", style=_COLOURS[status] if number else "dim")


def long_tags_table(shown: Console, signed: Mapping[int, Finding] = _UNSIGNED) -> LongTable[TagRecord]:
    """As `tags_table`."""
    return LongTable(
        shown,
        lambda tags: tags_table(tags, signed),
        [*_TAG, *_MORE_OF_TAG],
        lambda record: _tag_cells(record, signed),
    )


def tags_table(tags: Iterable[TagRecord], signed: Mapping[int, Finding] = _UNSIGNED) -> "_Tags":
    """A row per tag, with a note about errors. On a narrow terminal the notes follow below the table, unfolded.

    `signed`: who has signed what the targets have, by the ids of the tags; the note says so.
    """
    return _Tags(tags, signed)


class _Tags:
    """A table that adapts to the width."""

    def __init__(self, tags: Iterable[TagRecord], signed: Mapping[int, Finding]) -> None:
        self._tags = list(tags)
        self._signed = signed

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width >= _ROOM_FOR_NOTES:
            yield self._wide_table()
            return
        yield self._narrow_table()
        for record in self._tags:
            if note := _note(record, self._signed):
                yield Text(f"{record.item}:{record.tag}: {note}")

    def _wide_table(self) -> Table:
        table = new_table(*_TAG, *_MORE_OF_TAG)
        for record in self._tags:
            item, tag, status, tries, *times_and_digests, note = _tag_cells(record, self._signed)
            table.add_row(item, tag, coloured(status), tries, *times_and_digests, Text(note))
        return table

    def _narrow_table(self) -> Table:
        table = new_table(*_TAG, "synced")
        for record in self._tags:
            tries, synced = str(record.attempts), when(record.synced_at)
            table.add_row(record.item, record.tag, coloured(record.status), tries, synced)
        return table


def _tag_cells(record: TagRecord, signed: Mapping[int, Finding]) -> Sequence[str]:
    return (
        record.item, record.tag, record.status, str(record.attempts), when(record.pushed_at), when(record.synced_at),
        short(record.source_digest), short(record.target_digest), _note(record, signed),
    )  # fmt: skip


def attempts_table(record: TagRecord, attempts: Iterable[Attempt]) -> Table:
    """A row per attempt at one tag, oldest first."""
    table = new_table(f"{record.item}:{record.tag}", "took", "outcome", "moved", "reused", "source digest", "note")
    for attempt in attempts:
        table.add_row(
            when(attempt.started_at),
            f"{(attempt.finished_at - attempt.started_at).total_seconds():.1f} s",
            coloured(attempt.outcome),
            decimal(attempt.bytes_moved),
            decimal(attempt.bytes_reused),
            short(attempt.digest),
            Text(attempt.error or ""),
        )
    return table


def signatures_table(record: TagRecord, checks: Iterable[SignatureCheck]) -> Table:
    """A row per digest of upstream's tag whose signatures were verified: who has signed it, or why nobody counts."""
    table = new_table(f"{record.item}:{record.tag}", "source digest", "signatures", "signed by", "with")
    for check in checks:
        found = check.finding
        means = ", ".join(dict.fromkeys(each.means for each in found.signers))
        table.add_row(
            when(check.checked_at),
            short(found.digest),
            coloured(found.verdict),
            Text(found.names or found.detail or ""),
            Text(means),
        )
    return table


def registries_table(states: Iterable[RegistryState], refusing: Iterable[RefusingRegistry] = ()) -> Table:
    """A row per registry that is paused, after a refused login or for a rate limit, or that refuses to delete."""
    table = new_table("registry", "waits", "since", "why")
    for state in states:
        waits = f"until {when(state.until)}" if state.until else _waits_for_login(state)
        table.add_row(state.registry, Text(waits, style="red"), when(state.since), Text(state.error))
    for each in refusing:
        stay = counted(each.tags, "tag stays that is to go", "tags stay that are to go")
        why = f"it refuses to delete: {stay}, of {', '.join(each.items)}"
        table.add_row(each.registry, Text(_ALLOWED, style="red"), when(each.since), Text(why))
    return table


_ALLOWED = "until deleting is allowed; then `ferryman prune --yes`"


def _waits_for_login(state: RegistryState) -> str:
    after = when(next_login(state))
    return f"for other credentials, or `ferryman requeue`; the login is tried again by the first look after {after}"


def new_table(*columns: str) -> Table:
    """A table without rows."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def coloured(word: str) -> Text:
    """A status, an outcome or an action, in its colour."""
    return Text(word, style=_COLOURS.get(word, ""))


def when(moment: datetime | None) -> str:
    """`2026-05-01 09:12`, or `-`."""
    return moment.strftime("%Y-%m-%d %H:%M") if moment else "-"


def short(digest: str | None) -> str:
    """The first twelve digits of a digest, or `-`."""
    return digest.removeprefix("sha256:")[:12] if digest else "-"


def held_in_words(record: TagRecord) -> str | None:
    """Why nothing is copied over the tag, and what a person can do; None: nothing holds it."""
    match record.held_by:
        case "prune":
            return "being removed from the target"
        case "rollback":
            return f"put back by a person at {when(record.held_at)}, until `ferryman release`"
        case "changed":
            change = f"{short(record.mirrored_digest)} became {short(record.source_digest)}"
            return f"held since {when(record.moved_at)}, for {change}: `ferryman release` or `ferryman keep`"
        case "kept":
            return f"kept by a person: {short(record.source_digest)} is not wanted, until `ferryman release`"
    return None


def _note(record: TagRecord, signed: Mapping[int, Finding]) -> str:
    parts = []
    if (finding := signed.get(record.id)) is not None:
        parts.append(f"signed by {finding.names}" if finding.signers else "not signed")
    if record.gone_at:
        parts.append(f"gone upstream since {when(record.gone_at)}")
    if (words := held_in_words(record)) is not None:
        parts.append(words)
    if record.degraded:
        parts.append(record.degraded)
    if record.status == "queued" and record.run_at and record.error:
        parts.append(f"next try {when(record.run_at)}")
    if record.error:
        parts.append(record.error)
    elif record.reason == QUARANTINE and record.quarantined_until:
        parts.append(f"in quarantine until {when(record.quarantined_until)}")
    elif record.reason and record.held_by is None:
        parts.append(reason_in_words(record.reason))
    return "; ".join(parts)
