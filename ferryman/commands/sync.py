"""`ferryman sync`: one cycle to the end."""

import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ferryman import log, oneshot
from ferryman.application import open_application
from ferryman.commands.json_output import json_list
from ferryman.commands.options import item_arguments, items_option, json_option
from ferryman.commands.overview import SHOWN, print_overview, print_pauses
from ferryman.commands.running import load_settings, run
from ferryman.item_names import named, select
from ferryman.items.model import Item
from ferryman.operations.tags import shown_tags
from ferryman.scheduler import Cycle
from ferryman.settings import Settings
from ferryman.store.ledger import LookupFailure
from ferryman.store.records import Outstanding, TagRecord
from ferryman.views.documents.tags import TagDocument
from ferryman.views.log_view import LogView
from ferryman.views.lookup_failures import grouped_by_cause
from ferryman.wording import counted

_CHANGED = 4  # the exit code

if TYPE_CHECKING:
    from ferryman.views.live_view import LiveView

_INTERRUPTED = "what was running is queued again"


@click.command
@item_arguments
@items_option
@json_option
@click.option("--log-file", type=click.Path(path_type=Path), help="Write the log to the end of this file.")
@click.option(
    "--strict", is_flag=True, help="Exit with 4 if upstream has changed a version tag, or one is held for that."
)
@click.option("-v", "--verbose", is_flag=True, help="Show the log on a terminal, too.")
def command(
    *, item: tuple[str, ...], items: Path | None, as_json: bool, log_file: Path | None, strict: bool, verbose: bool
) -> None:
    """Make one cycle to the end. Looks at every ITEM (default: all), copies what is new.

    A terminal shows a live view instead of the log; elsewhere the log has a line a minute on how far it is.
    """
    running = sync(load_settings(items, log_file), item, as_json=as_json, strict=strict, verbose=verbose)
    sys.exit(run(running, interrupted=_INTERRUPTED))


async def sync(settings: Settings, names: Sequence[str], *, as_json: bool, strict: bool = False, verbose: bool) -> int:
    """Run one cycle to its end. Returns the exit code; 1: some tags failed, are paused, or wait for long.

    If nothing else is wrong, and `strict`, 4: upstream has changed version tags meanwhile, or some are held for that.
    A terminal shows the live view, and the log only if `verbose`.
    """
    view = _view(as_json=as_json)
    if isinstance(view, LogView) or verbose or not sys.stderr.isatty():
        return await _sync(settings, names, view, as_json=as_json, strict=strict)
    warnings: list[str] = []
    try:
        with log.off_the_screen(view.notice) as warnings:
            return await _sync(settings, names, view, as_json=as_json, strict=strict)
    finally:
        for warning in warnings:
            click.echo(warning, err=True)


def _view(*, as_json: bool) -> "LiveView | LogView":
    """The live view if there is a terminal for it."""
    if sys.stderr.isatty() or sys.stdout.isatty():
        from ferryman.views import live_view  # noqa: PLC0415 - Rich's live displays are for terminals alone

        if (screen := live_view.screen(as_json=as_json)) is not None:
            return live_view.LiveView(screen)
    return LogView()


async def _sync(
    settings: Settings, names: Sequence[str], view: "LiveView | LogView", *, as_json: bool, strict: bool
) -> int:
    async with open_application(settings, engine=True) as app:
        items = select(app.configuration.items, names)
        targets = {str(item.target) for item in items}
        with view:
            cycle = await oneshot.cycle_to_the_end(app, items, view)
        left = await app.record.queue.outstanding(targets)
        failed = await app.record.ledger.count_failed(targets)
        if as_json:
            with json_list() as add:
                async for each in shown_tags(app.record, targets):
                    add(TagDocument.of(each))
        else:
            await print_overview(app.record, named(items), with_lookup_failures=False)
        _print_what_is_left(items, cycle, left)
        await print_pauses(app.record, named(items), targets=targets, err=True)
        held = [each async for each in app.record.ledger.tags(targets=targets, held=True) if each.held_by == "changed"]
        _print_changes(cycle, held)
    waits = left.due or left.waiting or left.held or left.paused
    if failed or cycle.failed or cycle.unread or cycle.paused or waits:
        return 1
    return _CHANGED if strict and (cycle.changed or held) else 0


def _print_changes(cycle: Cycle, held: Collection[TagRecord]) -> None:
    """The version tags that upstream has changed: those that were copied, and those that are held."""
    copied = [f"{each.target}:{each.tag}" for each in cycle.changed if not each.held]
    for names, what in (
        (copied, "upstream changed {} since the last look"),
        ([f"{each.target}:{each.tag}" for each in held], "upstream changed {}, held until `release` or `keep`"),
    ):
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            tags = counted(len(names), "version tag")
            click.echo(f"warning: {what.format(tags)}: {', '.join(sorted(names)[:SHOWN])}{more}", err=True)


def _print_what_is_left(items: Iterable[Item], cycle: Cycle, left: Outstanding) -> None:
    failed = [(item, cycle.failed[str(item.target)]) for item in items if str(item.target) in cycle.failed]
    for message in grouped_by_cause(
        LookupFailure(item.name, str(item.source), str(item.target), None, error) for item, error in failed
    ):
        click.echo(f"error: {message}", err=True)
    unread = sorted(cycle.unread, key=lambda each: (each.target, each.tag))
    for tag in unread[:SHOWN]:
        click.echo(f"error: {tag.target}:{tag.tag}: upstream's tag could not be read: {tag.error}", err=True)
    if more := unread[SHOWN:]:
        click.echo(f"error: … and {counted(len(more), 'tag')} more: `ferryman status --failed`", err=True)
    if left.waiting and left.next_at:
        waiting = counted(left.waiting, "tag waits", "tags wait")
        click.echo(f"{waiting}; the next may run at {left.next_at:%Y-%m-%d %H:%M} UTC", err=True)
    if left.held:
        held = counted(left.held, "tag waits", "tags wait")
        click.echo(f"{held} behind a paused registry, see `ferryman status`", err=True)
    if left.quarantined:
        young = counted(left.quarantined, "tag is", "tags are")
        click.echo(f"{young} in quarantine, see `ferryman status`", err=True)
    if left.paused:
        paused = counted(left.paused, "tag waits", "tags wait")
        click.echo(f"{paused} for the end of a pause", err=True)
    if cycle.paused:
        click.echo(f"{counted(len(cycle.paused), 'item is', 'items are')} paused: not looked at", err=True)
