"""`ferryman keep`: keep what was mirrored of a tag that upstream has changed."""

import sys
from pathlib import Path

import click

from ferryman.commands.each_target import Action, act_on_each
from ferryman.commands.options import complete_items, items_option
from ferryman.commands.running import load_settings, run
from ferryman.operations.tag_history import keep_tag

_KEEP = Action(
    keep_tag,
    done="{name} stays as it is: what upstream has now is not copied",
    refused="{name} is not held because upstream has changed it",
)


@click.command
@click.argument("what", metavar="ITEM:TAG", shell_complete=complete_items)
@items_option
def command(what: str, items: Path | None) -> None:
    """Keep what was mirrored of a tag that upstream has changed."""
    sys.exit(run(act_on_each(load_settings(items), what, _KEEP)))
