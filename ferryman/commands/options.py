"""Command-line options and arguments that several commands share."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from click.shell_completion import CompletionItem

from ferryman.commands.running import load_settings
from ferryman.configuration import load_items
from ferryman.errors import FerrymanError


class _Zone(click.ParamType[ZoneInfo]):
    """The parameter type of a time zone's name."""

    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ZoneInfo:
        try:
            return ZoneInfo(str(value))
        except (KeyError, ValueError, OSError):
            self.fail(f"{value!r} is not a time zone: expected a name such as UTC or Asia/Shanghai", param, ctx)


def complete_items(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the names of the items in items.yml."""
    try:
        configuration = load_items(load_settings(ctx.params.get("items")))
    except FerrymanError:
        return []
    names = {item.name for item in configuration.items}
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


items_option = click.option(
    "--items",
    type=click.Path(path_type=Path),
    help="The list of what to mirror.  [default: $FERRYMAN_ITEMS, or items.yml]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
item_arguments = click.argument("item", nargs=-1, shell_complete=complete_items)
registry_option = click.option(
    "--registry", metavar="HOST", multiple=True, help="A registry: all that comes from it, or goes to it. Repeatable."
)
folder_option = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("history"),
    show_default=True,
    help="The folder of the text files.",
)
zone_option = click.option(
    "--tz", "zone", type=_Zone(), default="UTC", show_default=True, help="The zone of the times in the files."
)
