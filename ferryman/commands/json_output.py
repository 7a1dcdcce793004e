"""Lists of JSON documents on standard output."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click


def print_json_list(found: Iterable[Any]) -> None:
    """Print these as a JSON list."""
    with json_list() as add:
        for document in found:
            add(document)


@contextmanager
def json_list() -> Iterator[Callable[[Any], None]]:
    """Print a JSON list, each element as it is added: all of a large record at once would be half a gigabyte."""
    begin = "["

    def add(document: Any) -> None:
        nonlocal begin
        lines = json.dumps(document, indent=2, ensure_ascii=False).split("\n")  # of the document, not of texts in it
        click.echo("\n  ".join([begin, *lines]), nl=False)
        begin = ","

    yield add
    click.echo("[]" if begin == "[" else "\n]")
