"""`make openapi`: write docs/openapi.json anew, from the calls of the API."""

from pathlib import Path

from ferryman.web.api.calls import description
from ferryman.web.api.openapi import as_file

COMMITTED = Path(__file__).parents[2] / "docs/openapi.json"

if __name__ == "__main__":
    COMMITTED.write_text(as_file(description()))
