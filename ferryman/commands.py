"""What each command does: `cli.py` parses and calls, `views` draw. Some return their exit code."""

import asyncio
import json
import sys
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from ferryman import history, inspection, log, oneshot, planner
from ferryman import registry_pauses as pauses
from ferryman.application import Record, load_items, open_application, open_record
from ferryman.clock import SystemClock
from ferryman.errors import ConfigurationError, Problem, TransferError
from ferryman.item_names import Named, select, target_and_tag, targets_of
from ferryman.items.model import Item
from ferryman.liveness import Liveness, judge
from ferryman.scheduler import Cycle, ItemLookup
from ferryman.settings import Settings
from ferryman.store import backup
from ferryman.store.database.tables import VERSION
from ferryman.store.queue.lease_owners import host_of, is_here, this_host
from ferryman.store.records import Outstanding, RegistryState, TagRecord
from ferryman.store.services import Service
from ferryman.views import json_documents as documents
from ferryman.views import live_view as live
from ferryman.views import text_tables as tables
from ferryman.views.live_view import LiveView
from ferryman.views.log_view import LogView
from ferryman.views.lookup_failures import FailedLookup, grouped_by_cause
from ferryman.wording import counted

_SHOWN = 20  # failed tags in the overview


def item_names(settings: Settings) -> list[str]:
    """The names that items.yml gives, for shell completion. Raises ConfigurationError."""
    return sorted({item.name for item in load_items(settings).items})


async def sync(settings: Settings, names: Sequence[str], *, as_json: bool, verbose: bool) -> int:
    """One cycle to the end. 1: some tags failed, or wait for what may take long.

    On a terminal it is watched, and the log is not on the screen unless it is `verbose`.
    """
    screen = live.screen(as_json=as_json)
    if screen is None:
        return await _sync(settings, names, LogView(), as_json=as_json)
    view = LiveView(screen)
    if verbose or not sys.stderr.isatty():
        return await _sync(settings, names, view, as_json=as_json)
    warnings: list[str] = []
    try:
        with log.off_the_screen(view.notice) as warnings:
            return await _sync(settings, names, view, as_json=as_json)
    finally:
        for warning in warnings:
            click.echo(warning, err=True)


async def _sync(settings: Settings, names: Sequence[str], view: LiveView | LogView, *, as_json: bool) -> int:
    async with open_application(settings, engine=True) as app:
        items = select(app.configuration.items, names)
        targets = {str(item.target) for item in items}
        with view:
            cycle = await oneshot.cycle_to_the_end(app, items, view)
        left = await app.record.queue.outstanding(targets)
        failed = await app.record.ledger.count_failed(targets)
        if as_json:
            with _json_list() as add:
                async for each in _shown(app.record, targets):
                    add(documents.tag_document(each))
        else:
            await _print_overview(app.record, targets, with_lookup_failures=False)
        _print_what_is_left(items, cycle, left)
    return 1 if failed or cycle.failed or cycle.unread or left.due or left.waiting or left.held else 0


async def plan(settings: Settings, names: Sequence[str], *, as_json: bool) -> int:
    """Show what would be done. 1: some items could not be looked at, or some of their tags could not be read."""
    async with open_application(settings, engine=False, create=False) as app:
        items = select(app.configuration.items, names)
        scheduler = app.scheduler()
        looks = (scheduler.look(app.configuration, item) for item in items)
        answers = await asyncio.gather(*looks, return_exceptions=True)
    looked, unseen = [], []
    for item, answer in zip(items, answers, strict=True):
        if isinstance(answer, ItemLookup):
            looked.append(answer)
            for pin in answer.absent_pins:
                click.echo(f"warning: {item.name}: {item.source} has no tag {pin}, which is pinned", err=True)
            for pattern in answer.idle_includes:
                click.echo(f"warning: {item.name}: no tag of {item.source} matches {pattern!r} of include", err=True)
        elif isinstance(answer, TransferError):
            unseen.append(FailedLookup(item.name, str(item.source), str(answer)))
        else:
            raise answer
    for told in grouped_by_cause(unseen):
        click.echo(f"error: {told}", err=True)
    if as_json:
        _print_list(documents.plan_documents(looked))
    else:
        tables.console().print(tables.plan_table(looked))
        for each in looked:
            click.echo(f"{each.item.name}: {each.item.source} → {each.item.target}")
    unread = any(decision.action == "fail" for each in looked for decision in each.decisions)
    return 1 if unread or len(looked) < len(items) else 0


async def status(
    settings: Settings, names: Sequence[str], *, failed: bool, everything: bool, former: bool = False, as_json: bool
) -> None:
    """The record: an overview, or tag by tag; a tag that is named comes with its attempts.

    Of what items.yml names now, or (`former`) of what it named once.
    """
    async with open_record(settings) as record:
        named_now, named_once = await _known(settings, record)
        if not (as_json or names or failed or everything or former):
            _print_services(await _verdicts(record))
            await _print_overview(record, {each.target for each in named_now})
            if old := len({each.target for each in named_once}):
                click.echo(f"and {counted(old, 'former item')}: `ferryman status --former`")
            return
        known = named_once if former else named_now
        wanted = [target_and_tag(known, name, former=named_once) for name in names]
        whole = {target for targets, tag in wanted if tag is None for target in targets}
        named = [each for each in await _named(record, wanted) if each.has_failed or not failed]
        attempts = {each.id: await record.ledger.attempts(each.id) for each in named}
        targets = whole if names else {each.target for each in known}
        of_items = _shown(record, targets, failed=failed, everything=everything)
        if as_json:
            with _json_list() as add:
                async for each in _each_once(of_items, named):
                    add(documents.tag_document(each, attempts.get(each.id)))
            return
        shown = [each async for each in _each_once(of_items, named)]
    if not shown:
        click.echo("nothing has failed" if failed else "nothing is recorded of that yet")
        return
    console = tables.console()
    console.print(tables.tags_table(shown))
    for each in named:
        console.print(tables.attempts_table(each, attempts[each.id]))


async def _each_once(of_items: AsyncIterable[TagRecord], named: Iterable[TagRecord]) -> AsyncIterator[TagRecord]:
    """The tags of whole items, then those that were named and are not among them."""
    left = {each.id: each for each in named}
    async for each in of_items:
        yield left.pop(each.id, each)
    for each in left.values():
        yield each


async def _named(record: Record, wanted: Sequence[tuple[set[str], str | None]]) -> list[TagRecord]:
    """The tags that were named one by one, each once, also those that the rules leave out."""
    found: dict[int, TagRecord] = {}
    for target, tag in [(target, tag) for targets, tag in wanted if tag for target in sorted(targets)]:
        if one := await record.ledger.tag(target, tag):
            found[one.id] = one
    return list(found.values())


async def requeue(settings: Settings, what: str) -> None:
    """Queue again, in a new round: everything that failed, an item, or one tag. Raises ConfigurationError.

    What items.yml does not name any more is left alone.
    """
    load_items(settings)  # a broken one names nothing
    async with open_record(settings) as record:
        known, former = await _known(settings, record)
        if what == "failed":
            targets, tag = {each.target for each in known}, None
            count = await record.queue.requeue(failed=True, targets=targets)
        else:
            targets, tag = target_and_tag(known, what, former=former)
            if tag is not None and not await _named(record, [(targets, tag)]):
                item = what.removesuffix(f":{tag}")
                raise ConfigurationError(
                    [Problem(f"{item} has no tag {tag!r} on record; see `ferryman status {item}`")]
                )
            count = await record.queue.requeue(targets=targets, tag=tag)
        unreadable = await record.ledger.count_unreadable(targets, tag)
    click.echo(f"{counted(count, 'tag')} queued")
    if unreadable:
        click.echo(f"{counted(unreadable, 'tag')} could not be read upstream, and every look tries that again")


async def forget(settings: Settings, names: Sequence[str], *, yes: bool) -> None:
    """Drop what is recorded of items that items.yml names no more. Raises ConfigurationError: without a yes, too."""
    load_items(settings)  # a broken one names nothing
    async with open_record(settings) as record:
        known, former = await _known(settings, record)
        if still := [name for name in names if any(name in each.spellings for each in known)]:
            raise ConfigurationError([Problem(f"items.yml still names {name!r}") for name in still])
        targets = targets_of(former, names) if names else {each.target for each in former}
        items = await record.ledger.summary(targets)
        for item in items:
            click.echo(f"{item.name}, to {item.target}: {counted(sum(item.counts.values()), 'tag')}")
        if not items:
            click.echo("there are no former items")
            return
        if not yes and not (sys.stdin.isatty() and click.confirm("Drop their record?")):
            raise ConfigurationError([Problem("nothing was dropped: --yes drops the record of these items")])
        number = await record.ledger.forget_items(targets)
    click.echo(f"the record of {counted(number, 'tag')} was dropped; what the registries hold stays")


async def export_history(settings: Settings, folder: Path, zone: ZoneInfo) -> None:
    """Write the old text files."""
    async with open_record(settings) as record:
        report = await history.export_history(record.ledger, folder=folder, zone=zone)
    for problem in report.problems:
        click.echo(f"warning: {problem}", err=True)
    click.echo(f"{counted(len(report.files), 'file')} in {folder}, {len(report.changed)} of them changed")


async def import_history(settings: Settings, folder: Path, zone: ZoneInfo) -> int:
    """Take the old text files over. 1: damaged lines were left out."""
    items = load_items(settings).items
    async with open_record(settings, create=True) as record:
        report = await history.import_history(record.ledger, items, folder=folder, zone=zone, now=SystemClock().now())
    for problem in report.problems:
        click.echo(f"{'warning' if problem.line is None else 'error'}: {problem}", err=True)
    for file in report.files:
        click.echo(f"{file.path}: {counted(file.lines, 'line')} for {file.item}, {counted(file.new, 'tag')} new")
    return 1 if any(problem.line is not None for problem in report.problems) else 0


async def migrate(settings: Settings) -> None:
    """Make the state database, or bring it to this version's schema."""
    async with open_record(settings, create=True) as record:
        click.echo(f"state database {record.name}: schema {VERSION}")


async def back_up(settings: Settings, file: Path, *, force: bool) -> None:
    """Write a backup of the state database. Raises ConfigurationError, StoreError."""
    tags = await backup.back_up(settings.database_url.get_secret_value(), file, force=force)
    click.echo(f"{file}: {counted(tags, 'tag')}")


async def restore(settings: Settings, file: Path) -> None:
    """Put a backup in the place of the state database. Raises ConfigurationError, StoreError."""
    done = await backup.restore(settings.database_url.get_secret_value(), file)
    click.echo(f"restored {counted(done.tags, 'tag')}; the next cycle asks the targets whether they still name them")
    if done.aside is not None:
        click.echo(f"what was there before is now {done.aside}")


async def check(settings: Settings, *, as_json: bool) -> int:
    """Try everything that a copy needs. 1: something does not work."""
    async with open_application(settings, engine=False, create=False) as app:
        findings = await inspection.inspect(app)
    if as_json:
        _print_list(documents.finding_document(each) for each in findings)
    else:
        tables.console().print(tables.findings_table(findings))
    return 0 if all(finding.works for finding in findings) else 1


async def health(settings: Settings) -> int:
    """0: a service is alive in this container (outside of one: on this host), and none in it is in trouble."""
    async with open_record(settings) as record:
        verdicts = await _verdicts(record)
    here = [verdict for verdict in verdicts if is_here(verdict.service.owner)]
    for verdict in here:
        if verdict.problem is None:
            click.echo(f"{_named_with_host(verdict.service)} is alive")
        else:
            told = f"{_named_with_host(verdict.service)}: {verdict.problem}"
            click.echo(f"error: {told}: see its log, and start it again", err=True)
    if not here:
        click.echo(f"error: no service here, on {this_host()}, has sent a heartbeat in the last minute", err=True)
        for verdict in verdicts:
            told = (
                f"not judged: {_named_with_host(verdict.service)}, which runs in another container or on another host"
            )
            click.echo(told, err=True)
    return 0 if here and all(verdict.problem is None for verdict in here) else 1


async def _verdicts(record: Record) -> list[Liveness]:
    locks = record.locks()
    return judge(await record.services.list(), now=SystemClock().now(), dead=locks.free, existing=locks.held)


def _named_with_host(service: Service) -> str:
    return f"{service.role} on {host_of(service.owner)}"


async def _known(settings: Settings, record: Record) -> tuple[list[Named], list[Named]]:
    """What items.yml names now, and what the record has besides. While it cannot be read, nothing is former."""
    recorded = [Named(item.name, item.source, item.target) for item in await record.ledger.summary()]
    try:
        items = load_items(settings).items
    except ConfigurationError:
        return recorded, []
    targets = {str(item.target) for item in items}
    now = [Named(item.name, str(item.source), str(item.target)) for item in items]
    # An item may have another name, or another source, since the last cycle.
    now += [each for each in recorded if each.target in targets]
    return now, [each for each in recorded if each.target not in targets]


def _shown(
    record: Record, targets: Collection[str], *, failed: bool = False, everything: bool = False
) -> AsyncIterator[TagRecord]:
    """The tags that people mean: what the rules leave out is shown on request only."""
    return record.ledger.tags(
        targets=targets,
        failed=failed,
        leaving_out=() if everything else planner.BY_RULE,
    )


async def _print_overview(record: Record, targets: Collection[str], *, with_lookup_failures: bool = True) -> None:
    console = tables.console()
    if held := await record.queue.held():
        console.print(tables.registries_table(held))
        await _print_limits(record, held)
    if with_lookup_failures:
        troubles = await record.ledger.lookup_failures()
        for told in grouped_by_cause(FailedLookup(each.item, each.source, each.error, each.since) for each in troubles):
            console.print(told, style="red", soft_wrap=True)
    if summary := await record.ledger.summary(targets):
        console.print(tables.summary_table(summary, width=console.width))
    else:
        console.print("nothing is recorded yet: `ferryman plan` shows what would be copied, `ferryman sync` copies it")
    if number := await record.ledger.count_failed(targets):
        failed = record.ledger.tags(targets=targets, failed=True, most=_SHOWN)
        console.print(tables.tags_table([each async for each in failed]))
        if number > _SHOWN:
            console.print(f"… and {number - _SHOWN} more: `ferryman status --failed`")


async def _print_limits(record: Record, held: Sequence[RegistryState]) -> None:
    for state in held:
        if state.until and (tags := await record.queue.waiting(state.registry)):
            click.echo(pauses.waits(state.registry, tags, state.until))


def _print_services(verdicts: Sequence[Liveness]) -> None:
    for verdict in verdicts:
        service = verdict.service
        if verdict.alive:
            since = f"{service.started_at:%Y-%m-%d %H:%M} UTC"
            click.echo(f"{_named_with_host(service)}: alive since {since}{_cycles_of(service)}")
        if verdict.problem is not None:
            click.echo(f"warning: {_named_with_host(service)}: {verdict.problem}", err=True)
    if not any(verdict.alive for verdict in verdicts):
        click.echo("no service is running on this database")


def _cycles_of(service: Service) -> str:
    told = []
    if service.cycle_ended_at is not None:
        told.append(f", looked last at {service.cycle_ended_at:%Y-%m-%d %H:%M} UTC")
    if service.cycle_began_at is not None:
        told.append(f", looks since {service.cycle_began_at:%Y-%m-%d %H:%M} UTC")
    elif service.next_cycle_at is not None:
        told.append(f", looks again at {service.next_cycle_at:%Y-%m-%d %H:%M} UTC")
    return "".join(told)


def _print_what_is_left(items: Iterable[Item], cycle: Cycle, left: Outstanding) -> None:
    failed = [(item, cycle.failed[str(item.target)]) for item in items if str(item.target) in cycle.failed]
    for told in grouped_by_cause(FailedLookup(item.name, str(item.source), error) for item, error in failed):
        click.echo(f"error: {told}", err=True)
    unread = sorted(cycle.unread, key=lambda each: (each.target, each.tag))
    for tag in unread[:_SHOWN]:
        click.echo(f"error: {tag.target}:{tag.tag}: upstream's tag could not be read: {tag.error}", err=True)
    if more := unread[_SHOWN:]:
        click.echo(f"error: … and {counted(len(more), 'tag')} more: `ferryman status --failed`", err=True)
    if left.waiting and left.next_at:
        waiting = counted(left.waiting, "tag waits", "tags wait")
        click.echo(f"{waiting}; the next may run at {left.next_at:%Y-%m-%d %H:%M} UTC", err=True)
    if left.held:
        held = counted(left.held, "tag waits", "tags wait")
        click.echo(f"{held} behind a paused registry, see `ferryman status`", err=True)


def _print_list(found: Iterable[Any]) -> None:
    with _json_list() as add:
        for document in found:
            add(document)


@contextmanager
def _json_list() -> Iterator[Callable[[Any], None]]:
    """Print a JSON list, each element as it is added: all of a large record at once would be half a gigabyte."""
    begin = "["

    def add(document: Any) -> None:
        nonlocal begin
        lines = json.dumps(document, indent=2, ensure_ascii=False).split("\n")  # of the document, not of texts in it
        click.echo("\n  ".join([begin, *lines]), nl=False)
        begin = ","

    yield add
    click.echo("[]" if begin == "[" else "\n]")
