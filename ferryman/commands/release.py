"""`ferryman release`: let upstream's tag be copied again, or accept what the upstream of a frozen item has now."""

import sys
from pathlib import Path

import click

from ferryman.commands.each_target import Action, act_on_each
from ferryman.commands.options import complete_items, items_option
from ferryman.commands.running import load_settings, run
from ferryman.operations.freezes import release_item
from ferryman.operations.tag_history import release_tag

_TAG = Action(
    release_tag,
    done="{name} is released: what upstream has now is copied",
    refused="{name} is not held",
)
_ITEM = Action(
    release_item,
    done="{name} is released: the next look takes what upstream has then",
    refused="{name} is not frozen; `ferryman release ITEM:TAG` releases a tag",
)


@click.command
@click.argument("what", metavar="ITEM | ITEM:TAG", shell_complete=complete_items)
@items_option
def command(what: str, items: Path | None) -> None:
    """Let a tag be copied that is held or in quarantine; accept what a frozen item's upstream has now."""
    sys.exit(run(act_on_each(load_settings(items), what, _TAG, on_item=_ITEM)))
