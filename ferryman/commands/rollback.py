"""`ferryman rollback`: put a tag back on what it named before."""

import sys
from pathlib import Path

import click

from ferryman.application import open_application
from ferryman.commands.actor import this_user
from ferryman.commands.options import complete_items, items_option
from ferryman.commands.running import load_settings, run
from ferryman.commands.tag_named import targets_and_tag
from ferryman.errors import ConfigurationError, Problem
from ferryman.moments import parse_moment
from ferryman.operations.known_items import known_items
from ferryman.operations.rollback import REFUSALS, put_back
from ferryman.operations.tag_history import chosen, recorded_history
from ferryman.settings import Settings

_INTERRUPTED = "what had begun at the target is ended by the next look"


@click.command
@click.argument("what", metavar="ITEM:TAG", shell_complete=complete_items)
@click.option("--to", metavar="DIGEST", help="What to put it back on: a digest of its history, or its beginning.")
@click.option("--at", metavar="TIME", help="What it named then: 2026-11-24, 2026-11-24 12:00, or 3d for days ago.")
@items_option
def command(what: str, to: str | None, at: str | None, items: Path | None) -> None:
    """Put a tag back on what it named before: by default what it named last.

    One manifest is put at the target, and no blob is moved. The tag stays so until `ferryman release`.
    """
    if to is not None and at is not None:
        raise click.UsageError("--to and --at exclude one another")
    sys.exit(run(rollback(load_settings(items), what, to=to, at=at), interrupted=_INTERRUPTED))


async def rollback(settings: Settings, what: str, *, to: str | None, at: str | None) -> int:
    """Put the tag back. Returns the exit code; 1: something else goes on with it.

    Raises ConfigurationError, StoreError, TransferError.
    """
    async with open_application(settings, engine=False, create=False) as app:
        now = app.clock.now()
        try:
            moment = parse_moment(at, now=now) if at else None
        except ValueError as error:
            raise ConfigurationError([Problem(f"--at: {error}")]) from None
        targets, tag = targets_and_tag(await known_items(app.record, app.configuration.items), what)
        found = await recorded_history(app.record, targets, tag, now)
        wanted = [(each, chosen(each, to=to, at=moment).digest) for each in found]
        done = [(each, await put_back(app, each, digest, actor=this_user())) for each, digest in wanted]
    for history, result in done:
        name = f"{history.record.target}:{tag}"
        if result.refusal is None:
            click.echo(f"{name} names {result.digest} again, and stays so until `ferryman release {what}`")
        else:
            click.echo(f"error: {name}: {REFUSALS[result.refusal]}", err=True)
    return 1 if any(result.refusal for _, result in done) else 0
