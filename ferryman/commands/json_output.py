"""Print lists of JSON documents to stdout."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import click

from ferryman.views.documents.base import Document


def print_json_list(found: Iterable[Document]) -> None:
    """Print the documents as a JSON list."""
    with json_list() as add:
        for document in found:
            add(document)


@contextmanager
def json_list() -> Iterator[Callable[[Document], None]]:
    """Print a JSON list element by element: a large record at once would need half a gigabyte of memory."""
    begin = "["

    def add(document: Document) -> None:
        nonlocal begin
        lines = document.model_dump_json(indent=2).split("\n")  # JSON escapes line feeds inside texts
        click.echo("\n  ".join([begin, *lines]), nl=False)
        begin = ","

    yield add
    click.echo("[]" if begin == "[" else "\n]")
