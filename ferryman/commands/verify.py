"""`ferryman verify`: compare the record with what the targets have, and repair."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import click

from ferryman.application import Application, open_application
from ferryman.clock import Clock
from ferryman.commands.actor import this_user
from ferryman.commands.json_output import json_list
from ferryman.commands.options import complete_items, items_option, json_option
from ferryman.commands.running import load_settings, run
from ferryman.item_names import named, target_and_tag
from ferryman.kinds import Depth, Repair
from ferryman.operations.verify import Wanted, findings_of, verify_all
from ferryman.settings import Settings
from ferryman.store.records import Checked
from ferryman.verification.verifier import Verified
from ferryman.views import text_tables
from ferryman.views.damage_table import long_damage_table
from ferryman.views.documents.damage import DamageDocument
from ferryman.wording import counted

_INTERRUPTED = "called again within a day, it goes on from there"
_SHOWN_EVERY = 0.2  # seconds between two states of the progress line
# `--deep ITEM` must not take the item for its value, as click would.
_ALONE = {"--deep": "--deep=contents", "--repair": "--repair=missing"}


class _Command(click.Command):
    """Has options whose value may be left out."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [_ALONE.get(each, each) for each in args])


@click.command(cls=_Command)
@click.argument("item", nargs=-1, metavar="[ITEM | ITEM:TAG]...", shell_complete=complete_items)
@click.option("--deep", type=click.Choice(["contents", "bytes"]), help="Down to each blob; bytes: read and hash them.")
@click.option("--repair", type=click.Choice(["missing", "all"]), help="Copy again; all: what others overwrote, too.")
@items_option
@json_option
def command(
    *, item: tuple[str, ...], deep: Depth | None, repair: Repair | None, items: Path | None, as_json: bool
) -> None:
    """Compare the record with what the targets have, and repair. Every mirrored tag of every ITEM (default: all).

    `--deep` and `--repair` may stand alone. What was interrupted within a day goes on where it stopped.
    """
    sys.exit(
        run(
            verify(load_settings(items), item, deep or "tags", repair or "nothing", as_json=as_json),
            interrupted=_INTERRUPTED,
        )
    )


async def verify(settings: Settings, names: Sequence[str], depth: Depth, repair: Repair, *, as_json: bool) -> int:
    """Verify, and print what is damaged. Returns the exit code; 1: something is, or could not be read."""
    async with open_application(settings, engine=False, create=False) as app:
        wanted = _wanted(app, names)
        with _Progress(clock=app.clock) as progress:
            found = await verify_all(app, wanted, depth, repair, actor=this_user(), tell=progress.count)
        shown = await _print(app, found.since, as_json=as_json)
        frozen = await app.record.freezes.frozen({target for target, _ in found.since})
    if found.verified.checked or not found.failures:
        _print_sum(found.verified)
    for target in sorted(frozen) if found.verified.queued else ():
        click.echo(f"{target} is frozen: what is queued of it waits, see `ferryman status`", err=True)
    for target, failed in sorted(found.failures.items()):
        click.echo(f"error: {target}: {_failure(failed)}: {failed.error}", err=True)
    return 1 if shown or found.failures or found.verified.damaged > found.verified.restored else 0


def _wanted(app: Application, names: Sequence[str]) -> Wanted:
    """What was named. Raises ConfigurationError."""
    known = named(app.configuration.items)
    if not names:
        return Wanted({each.target for each in known}, set())
    found = [target_and_tag(known, name) for name in names]
    whole = {target for targets, tag in found if tag is None for target in targets}
    return Wanted(whole, {(target, tag) for targets, tag in found if tag for target in targets if target not in whole})


async def _print(app: Application, since: Mapping[tuple[str, str | None], datetime], *, as_json: bool) -> int:
    """Print what is damaged, by the record: an interrupted run has found a part of it before. Returns the number."""
    number = 0
    findings = findings_of(app.record, since)
    if as_json:
        with json_list() as add:
            async for each in findings:
                add(DamageDocument.of(each))
                number += 1
        return number
    table = long_damage_table(text_tables.console())
    async for each in findings:
        table.add(each)
        number += 1
    if number:
        table.end()
    return number


def _print_sum(verified: Verified) -> None:
    parts = {"queued again": verified.queued, "restored": verified.restored, "lost": verified.lost}
    came = "".join(f", {number:,} {what}" for what, number in parts.items() if number)
    click.echo(f"{counted(verified.checked, 'tag')} verified: {verified.damaged:,} damaged{came}", err=True)
    if verified.queued:
        click.echo("a service copies what is queued; without one, `ferryman sync` does", err=True)


def _failure(verified: Verified) -> str:
    """What the error of a target has led to."""
    if verified.is_over:
        return "left alone before its end; run it again to go on"
    return f"{counted(verified.unreadable, 'tag')} could not be read" if verified.unreadable else "not all was repaired"


@dataclass(slots=True)
class _Progress:
    """A line on a terminal that says how far it is."""

    clock: Clock
    _checked: int = 0
    _damaged: int = 0
    _shown_at: float = field(default=0.0)

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._show("\r\033[K")

    def count(self, result: Checked) -> None:
        """Add a result."""
        self._checked += 1
        self._damaged += result.damage is not None
        if self.clock.monotonic() - self._shown_at >= _SHOWN_EVERY:
            self._shown_at = self.clock.monotonic()
            self._show(f"\r\033[K{counted(self._checked, 'tag')} verified, {self._damaged:,} damaged")

    def _show(self, text: str) -> None:
        if sys.stderr.isatty():
            click.echo(text, err=True, nl=False)
