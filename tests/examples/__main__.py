"""`make examples`: run what the documents show once more, and write it down."""

import os
import sys
import tempfile
from pathlib import Path

from tests.examples import picture, transcripts
from tests.examples.stage import stage

PICTURE = transcripts.CHECKOUT / "docs/pictures/sync.svg"


def main() -> None:
    if os.geteuid() != 0:
        sys.exit("The examples start a Docker Engine of their own: run them as root.")
    with tempfile.TemporaryDirectory(prefix="ferryman-examples-") as folder, stage(Path(folder)) as filled:
        transcripts.run_again(filled)
    with tempfile.TemporaryDirectory(prefix="ferryman-examples-") as folder, stage(Path(folder)) as filled:
        picture.film(filled, PICTURE)


if __name__ == "__main__":
    main()
