"""Print lists of JSON documents to stdout."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click


def print_json_list(found: Iterable[Any]) -> None:
    """Print the documents as a JSON list."""
    with json_list() as add:
        for document in found:
            add(document)


@contextmanager
def json_list() -> Iterator[Callable[[Any], None]]:
    """Print a JSON list element by element: a large record at once would need half a gigabyte of memory."""
    begin = "["

    def add(document: Any) -> None:
        nonlocal begin
        lines = json.dumps(document, indent=2, ensure_ascii=False).split("\n")  # JSON escapes line feeds inside texts
        click.echo("\n  ".join([begin, *lines]), nl=False)
        begin = ","

    yield add
    click.echo("[]" if begin == "[" else "\n]")
