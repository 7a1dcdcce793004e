"""The command line: one short function a command.

What a command needs is imported when it runs: `ferryman --help`, and every completion, answers at once.
"""

# ruff: noqa: PLC0415

import errno
import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from ferryman import __version__
from ferryman.errors import ConfigurationError, FerrymanError, Problem

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from zoneinfo import ZoneInfo

    from ferryman.settings import Settings

_T = TypeVar("_T")
EXIT_CONFIGURATION, EXIT_UNUSABLE, EXIT_INTERRUPTED = 2, 3, 130


class _Cli(click.Group):
    """Turns our errors into a sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        gc.disable()  # until everything is imported: to look for garbage meanwhile is a sixth of the start, in vain
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            for problem in error.problems:
                click.echo(f"error: {problem}", err=True)
            ctx.exit(EXIT_CONFIGURATION)
        except FerrymanError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(EXIT_UNUSABLE)
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read has seen enough: click ends quietly
                raise
            click.echo(f"error: {error.strerror or error}", err=True)
            ctx.exit(EXIT_UNUSABLE)
        except KeyboardInterrupt:
            click.echo("stopped; what was running is queued again", err=True)
            ctx.exit(EXIT_INTERRUPTED)
        finally:
            gc.enable()


class _Zone(click.ParamType["ZoneInfo"]):
    """A time zone's name."""

    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "ZoneInfo":
        from zoneinfo import ZoneInfo

        try:
            return ZoneInfo(str(value))
        except (KeyError, ValueError, OSError):
            self.fail(f"{value!r} is not a time zone: expected a name such as UTC or Asia/Shanghai", param, ctx)


def _complete_items(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The items of items.yml, for the shell."""
    from ferryman import commands

    try:
        names = commands.item_names(_settings(ctx.params.get("items")))
    except FerrymanError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _complete_requeue(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """`failed`, and the items."""
    words = [CompletionItem("failed")] if "failed".startswith(incomplete) else []
    return words + _complete_items(ctx, param, incomplete)


items_option = click.option(
    "--items",
    type=click.Path(path_type=Path),
    help="The list of what to mirror.  [default: $FERRYMAN_ITEMS, or items.yml]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
item_arguments = click.argument("item", nargs=-1, shell_complete=_complete_items)
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


@click.group(cls=_Cli, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", prog_name="ferryman")
def main() -> None:
    """Keep a registry of your own holding the tags of other registries that you care about.

    Settings come from FERRYMAN_* environment variables, what to mirror from items.yml.
    Completion: eval "$(_FERRYMAN_COMPLETE=bash_source ferryman)" (or zsh_source, fish_source).

    Exit codes: 0 all well, 1 some tags failed, 2 configuration or usage, 3 the engine or the database
    cannot be used, 130 interrupted.
    """


@main.command()
@items_option
def run(items: Path | None) -> None:
    """Run the service: look every 6 hours, copy, until SIGTERM."""
    from ferryman import service

    _go(service.serve(_settings(items), schedule=True, work=True))


@main.command()
@items_option
def scheduler(items: Path | None) -> None:
    """Run one half of `run`: look and enqueue."""
    from ferryman import service

    _go(service.serve(_settings(items), schedule=True, work=False))


@main.command()
@items_option
def worker(items: Path | None) -> None:
    """Run the other half of `run`: claim and copy."""
    from ferryman import service

    _go(service.serve(_settings(items), schedule=False, work=True))


@main.command()
@item_arguments
@items_option
@json_option
@click.option("--log-file", type=click.Path(path_type=Path), help="Write the log to the end of this file.")
@click.option("-v", "--verbose", is_flag=True, help="Show the log on a terminal, too.")
def sync(item: tuple[str, ...], items: Path | None, as_json: bool, log_file: Path | None, verbose: bool) -> None:
    """Make one cycle to the end. Looks at every ITEM (default: all), copies what is new.

    A terminal shows a live view instead of the log; elsewhere the log has a line a minute on how far it is.
    """
    from ferryman import commands

    sys.exit(_go(commands.sync(_settings(items, log_file), item, as_json=as_json, verbose=verbose)))


@main.command()
@item_arguments
@items_option
@json_option
def plan(item: tuple[str, ...], items: Path | None, as_json: bool) -> None:
    """Show what `sync` would do with every tag, and why. Copies nothing."""
    from ferryman import commands

    sys.exit(_go(commands.plan(_settings(items), item, as_json=as_json)))


@main.command()
@item_arguments
@items_option
@click.option("--failed", is_flag=True, help="Only what failed.")
@click.option("--all", "everything", is_flag=True, help="Also the tags that the rules leave out.")
@click.option("--former", is_flag=True, help="Of the items that items.yml names no more.")
@json_option
def status(
    *, item: tuple[str, ...], items: Path | None, failed: bool, everything: bool, former: bool, as_json: bool
) -> None:
    """Show what is mirrored, what is missing, and why.

    With ITEM: tag by tag. With ITEM:TAG: that tag, and every attempt of the last 30 days.
    """
    from ferryman import commands

    asked = commands.status(
        _settings(items), item, failed=failed, everything=everything, former=former, as_json=as_json
    )
    _go(asked)


@main.command()
@click.argument("what", metavar="failed | ITEM | ITEM:TAG", shell_complete=_complete_requeue)
@items_option
def requeue(what: str, items: Path | None) -> None:
    """Try again: everything that failed, an item, or one tag. Also lets paused registries go."""
    from ferryman import commands

    _go(commands.requeue(_settings(items), what))


@main.command()
@item_arguments
@click.option("--yes", is_flag=True, help="Do not ask.")
@items_option
def forget(item: tuple[str, ...], yes: bool, items: Path | None) -> None:
    """Drop the record of items that items.yml names no more.

    Of every ITEM, or of all of them, history and attempts included. What the registries hold stays.
    """
    from ferryman import commands

    _go(commands.forget(_settings(items), item, yes=yes))


@main.command("export-history")
@folder_option
@zone_option
@items_option
def export_history(folder: Path, zone: "ZoneInfo", items: Path | None) -> None:
    """Write the record as the text files of the first Ferryman."""
    from ferryman import commands

    _go(commands.export_history(_settings(items), folder, zone))


@main.command("import-history")
@folder_option
@zone_option
@items_option
def import_history(folder: Path, zone: "ZoneInfo", items: Path | None) -> None:
    """Take the text files over: what they list counts as synced."""
    from ferryman import commands

    sys.exit(_go(commands.import_history(_settings(items), folder, zone)))


@main.command()
@items_option
def migrate(items: Path | None) -> None:
    """Make or upgrade the state database.

    `run`, `sync` and their like do so themselves.
    """
    from ferryman import commands

    _go(commands.migrate(_settings(items)))


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE if it is there already.")
@items_option
def backup(file: Path, force: bool, items: Path | None) -> None:
    """Write the state database to FILE, in use or not.

    For SQLite; PostgreSQL has pg_dump.
    """
    from ferryman import commands

    _go(commands.back_up(_settings(items), file, force=force))


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@items_option
def restore(file: Path, items: Path | None) -> None:
    """Make the backup FILE the state database. Stop the service first.

    What was there before is kept under another name. The next cycle asks the targets whether they still name
    what the backup says.
    """
    from ferryman import commands

    _go(commands.restore(_settings(items), file))


@main.command()
@items_option
@json_option
def check(items: Path | None, as_json: bool) -> None:
    """Try the configuration, the engine, and every login. Copies nothing."""
    from ferryman import commands

    sys.exit(_go(commands.check(_settings(items), as_json=as_json)))


@main.command()
@items_option
def health(items: Path | None) -> None:
    """Tell whether the service in this container is well; outside of one, every service on this host.

    Exit codes: 0 it is, 1 it is not, or there is none. Made for container health checks.
    """
    from ferryman import commands

    sys.exit(_go(commands.health(_settings(items))))


@main.command()
def schema() -> None:
    """Print the JSON Schema of items.yml."""
    import json

    from ferryman import items

    click.echo(json.dumps(items.schema(), indent=2, ensure_ascii=False))


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"ferryman {__version__}")


def _settings(items: Path | None, log_file: Path | None = None) -> "Settings":
    import os

    from ferryman import log
    from ferryman.settings import Settings

    settings = Settings.load(os.environ)
    try:
        log.configure(level=settings.log_level, form=settings.log_format, file=log_file)
    except OSError as error:
        raise ConfigurationError([Problem(f"--log-file {log_file}: {error.strerror or error}")]) from None
    return settings if items is None else settings.model_copy(update={"items": items})


def _go(work: "Coroutine[Any, Any, _T]") -> _T:
    import asyncio

    gc.freeze()
    gc.enable()
    try:
        return asyncio.run(work)
    except asyncio.CancelledError:  # by SIGTERM
        raise KeyboardInterrupt from None
