"""The command line: the list of commands, and the translation of errors to a message and an exit code.

A command's module is imported only when the command is called, so `ferryman --help` and shell completion are fast.
"""

import errno
import gc
import importlib
from typing import Any

import click
from click.shell_completion import CompletionItem

from ferryman import __version__
from ferryman.errors import ConfigurationError, FerrymanError

EXIT_CONFIGURATION, EXIT_UNUSABLE, EXIT_INTERRUPTED = 2, 3, 130

# The first sentence of each command's help. A new command needs a line here and a module in `commands/`.
COMMANDS = {
    "run": "Run the service: look every 6 hours, copy, until SIGTERM.",
    "scheduler": "Run one half of `run`: look and enqueue.",
    "worker": "Run the other half of `run`: claim and copy.",
    "sync": "Make one cycle to the end.",
    "plan": "Show what `sync` would do with every tag, and why.",
    "status": "Show what is mirrored, what is missing, and why.",
    "pause": "Pause items, registries or everything until `resume`.",
    "resume": "End the pause of items, registries or everything.",
    "cancel": "Stop a copy that runs.",
    "look": "Let the service look at items now, and copy what is new.",
    "history": "Show what a tag named at its target, since when, and which of it can be put back.",
    "rollback": "Put a tag back on what it named before: by default what it named last.",
    "release": "Let a tag be copied that is held or in quarantine; accept what a frozen item's upstream has now.",
    "prune": "Show what the rules no longer want at the targets, and remove it.",
    "keep": "Keep what was mirrored of a tag that upstream has changed.",
    "where": "Show where an image is mirrored to, whether it is there, and which digest it has, or had.",
    "requeue": "Try again: everything that failed, an item, or one tag.",
    "verify": "Compare the record with what the targets have, and repair.",
    "forget": "Drop the record of items that items.yml names no more.",
    "export-history": "Write the record as the text files of the first Ferryman.",
    "import-history": "Take the text files over: what they list counts as synced.",
    "migrate": "Make or upgrade the state database.",
    "backup": "Write the state database to FILE, in use or not.",
    "restore": "Make the backup FILE the state database.",
    "check": "Try the configuration, the engine, and every login.",
    "notify": "Send a test message to everybody who is told.",
    "health": "Tell whether the service in this container is well; outside of one, every service on this host.",
    "schema": "Print the JSON Schema of items.yml.",
    "version": "Print the version.",
}


class _Cli(click.Group):
    """Imports a command when it is called. Prints Ferryman's errors as messages and sets the exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ferryman.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        command.name = cmd_name
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        gc.disable()  # during the imports: garbage collection would take a sixth of the start, in vain
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
            if error.errno == errno.EPIPE:  # the reader has closed the pipe: click ends silently
                raise
            click.echo(f"error: {error.strerror or error}", err=True)
            ctx.exit(EXIT_UNUSABLE)
        except KeyboardInterrupt as interrupt:  # with what becomes of the work, if anything does
            click.echo("; ".join(["stopped", *interrupt.args]), err=True)
            ctx.exit(EXIT_INTERRUPTED)
        finally:
            gc.enable()


@click.group(cls=_Cli, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", prog_name="ferryman")
def main() -> None:
    """Keep a registry of your own holding the tags of other registries that you care about.

    Settings come from FERRYMAN_* environment variables, what to mirror from items.yml.
    Completion: eval "$(_FERRYMAN_COMPLETE=bash_source ferryman)" (or zsh_source, fish_source).

    Exit codes: 0 all well, 1 some tags failed, 2 configuration or usage, 3 the engine or the database
    cannot be used, 4 version tags changed upstream (sync --strict), 130 interrupted.
    """
