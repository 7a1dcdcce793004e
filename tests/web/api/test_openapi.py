"""The OpenAPI document in docs/ is that of the calls. What the server makes of it: test_documented_calls.py."""

from ferryman.web.api.calls import description
from ferryman.web.api.openapi import as_file
from tests.support.openapi import COMMITTED


def test_the_committed_document_is_that_of_the_calls() -> None:
    assert COMMITTED.read_text() == as_file(description()), "run `make openapi`"
