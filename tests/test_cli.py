"""The list of commands."""

from pathlib import Path

import click
import pytest

from ferryman import cli

CONTEXT = click.Context(cli.main)
MODULES = Path(cli.__file__).parent / "commands"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_line_of_a_command_is_the_first_sentence_of_its_help(name: str) -> None:
    command = cli.main.get_command(CONTEXT, name)

    assert command is not None
    assert command.get_short_help_str(limit=200).rstrip(".") == cli.COMMANDS[name].rstrip(".")


def test_every_module_with_a_command_is_listed() -> None:
    defined = {
        module.stem.replace("_", "-") for module in MODULES.glob("*.py") if "\n@click.command" in module.read_text()
    }

    assert defined == set(cli.COMMANDS)


def test_an_unknown_command_is_none() -> None:
    assert cli.main.get_command(CONTEXT, "no-such") is None
