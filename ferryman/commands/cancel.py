"""`ferryman cancel`: stop a copy that runs."""

import sys
from pathlib import Path

import click

from ferryman.commands.each_target import Action, act_on_each
from ferryman.commands.options import complete_items, items_option
from ferryman.commands.running import load_settings, run
from ferryman.operations.cancel import cancel_copy

_CANCEL = Action(
    cancel_copy,
    done="{name}: its copy is stopped; `ferryman requeue {what}` tries it again",
    refused="{name} is not being copied: it is {status}",
)


@click.command
@click.argument("what", metavar="ITEM:TAG", shell_complete=complete_items)
@items_option
def command(what: str, items: Path | None) -> None:
    """Stop a copy that runs.

    It undoes what it has begun. The tag counts as failed; the next look tries it again, and so does `ferryman requeue`.
    """
    sys.exit(run(act_on_each(load_settings(items), what, _CANCEL, with_former=True)))
