"""Whether the server does what its OpenAPI document says: tried by schemathesis, with data of its making."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig

from ferryman import liveness
from ferryman.store.queries.pages import Key, encode_cursor
from ferryman.web.api.calls import description
from ferryman.web.security import wrong_tokens
from tests.support.loop_thread import LoopThread
from tests.support.upstreams import NOON, Upstream
from tests.web.api.filled import TOKENS, fill, items_yml
from tests.web.support import TOKEN, Site

LONGEST_CURSOR = 300  # characters

CONFIG = {
    "seed": 1,
    "generation": {"mode": "all", "deterministic": True},
    # A source or a target that cannot be asked is answered so.
    "checks": {"not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "502", "504"]}},
}
schema = schemathesis.openapi.from_dict(description(), config=SchemathesisConfig.from_dict(CONFIG))


def key_of(path: str, sort: str) -> Key:
    """A sort key of this list."""
    if path.endswith("/tags"):
        keys: dict[str, Key] = {"pushed": (NOON, 1), "synced": (NOON, 1), "attempts": (1, 1)}
        return keys.get(sort, ("v3", 1))
    return (0, 1, NOON, 1) if path.endswith("/waiting") else (1,)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server in a thread of its own: schemathesis blocks."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        # It shows many wrong tokens: after five each call would be answered by 429.
        patch.setattr(wrong_tokens, "_MOST_WRONG", 10**6)
        patch.setattr(liveness, "_FRESH", timedelta(days=1))  # of the only heartbeat
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


@pytest.mark.slow
@schema.exclude(path="/api/v1/events").parametrize()
@settings(
    max_examples=8, derandomize=True, deadline=None, database=None,
    phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_every_call_answers_as_documented(case: schemathesis.Case[Any], url: str) -> None:
    cursor = (case.query or {}).get("cursor")
    if isinstance(cursor, str) and len(cursor) <= LONGEST_CURSOR:  # it has the right form, and is made up
        case.query["cursor"] = encode_cursor(key_of(case.path, str(case.query.get("sort"))))
    response = case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code != 429  # nothing else would be tried
