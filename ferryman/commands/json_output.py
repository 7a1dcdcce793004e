"""Print lists of JSON documents to stdout."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import click

from ferryman.views.documents.base import Document

_AT_ONCE = 100  # documents that are written together


def print_json_list(found: Iterable[Document]) -> None:
    """Print the documents as a JSON list."""
    with json_list() as add:
        for document in found:
            add(document)


@contextmanager
def json_list() -> Iterator[Callable[[Document], None]]:
    """Print a JSON list element by element: a large record at once would need half a gigabyte of memory."""
    begin = "["
    waiting: list[str] = []  # texts: to write each of 300,000 takes longer than to make it

    def add(document: Document) -> None:
        nonlocal begin
        text = document.model_dump_json(indent=2).replace("\n", "\n  ")  # JSON escapes line feeds inside texts
        waiting.append(f"{begin}\n  {text}")
        begin = ","
        if len(waiting) == _AT_ONCE:
            click.echo("".join(waiting), nl=False)
            waiting.clear()

    yield add
    click.echo("".join([*waiting, "[]" if begin == "[" else "\n]"]))
