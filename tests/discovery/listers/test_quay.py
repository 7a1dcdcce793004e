"""quay: pages, and every failure of its API."""

from datetime import timedelta
from typing import Any

import pytest

from ferryman.discovery.base import UpstreamTag
from ferryman.discovery.listers.quay import QuayLister
from tests.discovery.conftest import Connect
from tests.discovery.support import FLANNEL, names_of, tags_of, walk
from tests.support.upstreams import NOON, Quay, made_up_digest

NAME = "coreos/flannel"
LIST = f"GET /api/v1/repository/{NAME}/tag/"
PLAIN = f"GET /v2/{NAME}/tags/list"


async def test_the_api_lists_active_tags_in_pages_of_a_hundred(quay: Quay, connect: Connect) -> None:
    names = quay.fill(NAME, 250)
    pages = await walk(QuayLister(await connect({"quay.io": quay})), FLANNEL)
    assert [len(page.tags) for page in pages] == [100, 100, 50]
    assert all(page.newest_first for page in pages)
    assert names_of(pages) == names
    assert tags_of(pages)[0] == UpstreamTag(names[0], quay.digest(NAME, names[0]), NOON, since=NOON)
    assert quay.requests == {LIST: 3}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"start_ts": None},
            UpstreamTag("1", made_up_digest("1"), NOON - timedelta(days=1), since=NOON - timedelta(days=1)),
        ),
        ({"start_ts": 0, "last_modified": "yesterday"}, UpstreamTag("1", made_up_digest("1"), None)),
        ({"manifest_digest": None}, UpstreamTag("1", None, NOON, since=NOON)),
        ({"manifest_digest": "sha256:short"}, UpstreamTag("1", None, NOON, since=NOON)),
        ({"name": "a/b"}, None),
        ({"name": 1}, None),
    ],
)
async def test_what_is_missing_or_malformed_is_unknown(
    quay: Quay, connect: Connect, fields: dict[str, Any], expected: UpstreamTag | None
) -> None:
    whole = {
        "name": "1", "manifest_digest": made_up_digest("1"), "start_ts": int(NOON.timestamp()),
        "last_modified": "Thu, 30 Apr 2026 12:00:00 -0000",
    }  # fmt: skip
    quay.edit = lambda document: document | {"tags": [None, [], whole | fields]}
    assert tags_of(await walk(QuayLister(await connect({"quay.io": quay})), FLANNEL)) == (
        [expected] if expected else []
    )


async def test_pages_that_shift_repeat_no_tag_and_lose_none(quay: Quay, connect: Connect) -> None:
    names = quay.fill(NAME, 250)
    quay.before_page = lambda page: (
        page > 1 and quay.put(NAME, f"pushed-{page}", pushed_at=NOON + timedelta(hours=page))
    )
    assert names_of(await walk(QuayLister(await connect({"quay.io": quay})), FLANNEL)) == names


async def test_what_is_private_is_listed_by_name(quay: Quay, connect: Connect) -> None:
    names = quay.fill(NAME, 250)
    quay.private = True
    pages = await walk(QuayLister(await connect({"quay.io": quay})), FLANNEL)
    assert sorted(tags_of(pages), key=str) == sorted((UpstreamTag(name) for name in names), key=str)
    assert quay.requests == {LIST: 1, PLAIN: 3}  # a hundred a page: quay takes no larger n


async def test_an_api_that_repeats_itself_is_left_for_the_plain_list(quay: Quay, connect: Connect) -> None:
    names = quay.fill(NAME, 120)
    quay.always_page_one = True
    assert sorted(names_of(await walk(QuayLister(await connect({"quay.io": quay})), FLANNEL))) == sorted(names)


@pytest.mark.parametrize("document", [[], {}, {"tags": None}])
async def test_an_api_that_talks_nonsense_is_left_for_the_plain_list(
    quay: Quay, connect: Connect, document: Any
) -> None:
    names = quay.fill(NAME, 3)
    quay.edit = lambda _: document
    assert sorted(names_of(await walk(QuayLister(await connect({"quay.io": quay})), FLANNEL))) == sorted(names)
