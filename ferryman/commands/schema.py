"""`ferryman schema`: the JSON Schema of items.yml."""

import json

import click

from ferryman.items.schema import schema


@click.command
def command() -> None:
    """Print the JSON Schema of items.yml."""
    click.echo(json.dumps(schema(), indent=2, ensure_ascii=False))
