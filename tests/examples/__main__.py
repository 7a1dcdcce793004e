"""`make examples`: run what the documents show once more, and write it down."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.examples import picture, readme, transcripts
from tests.examples.stage import Stage, stage
from tests.support.processes import Engine

PICTURE = transcripts.CHECKOUT / "docs/pictures/sync.svg"
HOST = "tcp://127.0.0.1:2375"  # shorter in a table than a socket in a temporary folder


def main() -> None:
    if os.geteuid() != 0:
        sys.exit("The examples start a Docker Engine of their own: run them as root.")
    with staged() as filled:
        for name, blocks in transcripts.run_again(filled):
            transcripts.write(name, blocks)
    with staged() as filled:
        transcripts.write(transcripts.README, readme.run_again(filled))
    with staged() as filled:
        picture.film(filled, PICTURE)


@contextlib.contextmanager
def staged() -> Iterator[Stage]:
    """A stage with an engine of its own."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ferryman-examples-")))
        engine = Engine(folder / "engine", options=(f"--host={HOST}", "--tls=false"))
        stack.callback(engine.remove)
        engine.start()
        yield stack.enter_context(stage(folder, engine=HOST))


if __name__ == "__main__":
    main()
