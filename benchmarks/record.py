"""Keeps the results of a race, in a file from the first one on."""

import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.contestants import Contestant
from benchmarks.result import Result


class Record:
    """Results, saved as JSON after each."""

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.results: list[Result] = []
        self._path = path
        self._about = about
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, result: Result) -> None:
        self.results.append(result)
        print(result, file=sys.stderr, flush=True)
        document = {"about": self._about, "results": [asdict(each) for each in self.results]}
        self._path.write_text(json.dumps(document, indent=1) + "\n")


def about(contestants: Sequence[Contestant], missing: Mapping[str, str]) -> dict[str, Any]:
    """The machine, and who races and who does not."""
    return {
        "began": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": os.getloadavg(),
        "contestants": {each.name: {"version": each.version(), "note": each.note} for each in contestants},
        "left_out": dict(missing),
    }
