"""The documents show what the program prints, and the picture of `sync` can be filmed again."""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.examples import picture, readme, transcripts
from tests.examples.stage import Stage, stage
from tests.support.processes import Engine
from tests.support.starting import Starter

# What is another one in each run, and how wide it makes a table.
CHANGES = re.compile(
    r"(?<=Docker Engine ).*|\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?"
    r"|sha256:[0-9a-f]{64}|\b[0-9a-f]{12}\b|(?<=ferryman-keep-)[0-9a-f]{32}"
    r"|(?<=moved=)\d+|(?<=reused=)\d+|(?<=seconds=)[\d.]+|(?<=bytes_moved\": )\d+|(?<=bytes_reused\": )\d+"
)
LARGEST_PICTURE = 150_000  # bytes


@pytest.fixture
def place(tmp_path: Path, engine: Engine, starter: Starter) -> Iterator[Stage]:
    with stage(tmp_path, engine=engine.host, starter=starter) as made:
        yield made


def test_every_example_prints_what_the_documents_show(place: Stage) -> None:
    for name, printed in transcripts.run_again(place):
        for now, then in zip(printed, transcripts.shown(name), strict=True):
            assert lasting(now) == lasting(then), f"{name}: `make examples` writes down what is printed now"


def test_every_example_of_the_readme_prints_what_it_shows(tmp_path: Path, starter: Starter) -> None:
    with stage(tmp_path, engine="unix:///nowhere", starter=starter) as place:
        printed = readme.run_again(place)
    shown = transcripts.shown(transcripts.README)
    assert [lasting(each) for each in printed] == [lasting(each) for each in shown], "see `make examples`"


def test_a_film_of_sync_and_status_is_small_and_ends_with_what_status_says(place: Stage, tmp_path: Path) -> None:
    path = tmp_path / "sync.svg"
    picture.film(place, path)

    assert path.stat().st_size < LARGEST_PICTURE
    drawn = ElementTree.parse(path).getroot()
    [film] = drawn.iterfind(".//*[@id='film']")
    texts = ["".join(text.itertext()) for text in film]
    assert "100%" in "".join(texts)
    assert texts[-10:].count("synced") == 3
    assert (transcripts.CHECKOUT / "docs/pictures/sync.svg").stat().st_size < LARGEST_PICTURE


def lasting(block: str) -> str:
    """A block without what changes, and without the widths of tables."""
    return "\n".join(re.sub(r" +|─+", " ", CHANGES.sub("…", line)).strip() for line in block.splitlines())
