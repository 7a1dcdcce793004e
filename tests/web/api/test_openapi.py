"""The OpenAPI document, and whether the server does what it says: tried by schemathesis, with data of its making."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig

from ferryman.web.api.calls import description
from ferryman.web.api.cursors import encode
from ferryman.web.api.openapi import as_file
from tests.support.loop_thread import LoopThread
from tests.support.openapi import COMMITTED
from tests.support.upstreams import Upstream
from tests.web.api.filled import TOKENS, fill, items_yml
from tests.web.support import TOKEN, Site

schemathesis.openapi.format("cursor", st.integers(0, 9).map(lambda number: encode((number,))))
schema = schemathesis.openapi.from_dict(
    description(),
    config=SchemathesisConfig.from_dict({"seed": 1, "generation": {"mode": "all", "deterministic": True}}),
)


def test_the_committed_document_is_that_of_the_calls() -> None:
    assert COMMITTED.read_text() == as_file(description()), "run `make openapi`"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server in a thread of its own: schemathesis blocks."""
    with ExitStack() as stack:
        upstream = stack.enter_context(Upstream())
        upstream.fill("coreos/etcd", 3)
        thread = LoopThread()
        thread.start()
        stack.callback(thread.stop)
        site = Site(tmp_path_factory.mktemp("site"), items=items_yml(upstream), **TOKENS)
        stack.callback(lambda: thread.run(site.__aexit__(None, None, None)))
        thread.run(site.__aenter__())
        thread.run(fill(site.app))
        yield site.url


@schema.exclude(path="/api/v1/events").parametrize()
@settings(
    max_examples=12, derandomize=True, deadline=None, database=None,
    phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_every_call_answers_as_documented(case: schemathesis.Case[Any], url: str) -> None:
    case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"})
