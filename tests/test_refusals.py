"""When a tag whose signatures were refused is tried again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ferryman.discovery.base import UpstreamTag
from ferryman.platforms import Platform
from ferryman.reference import referrers_tag
from ferryman.refusals import resting
from ferryman.signature_findings import Finding
from ferryman.store.records import TagRecord
from ferryman.store.signatures import SignatureCheck
from tests.support.upstreams import made_up_digest
from tests.test_probing import tag

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DIGEST, AMD64 = made_up_digest("index"), made_up_digest("amd64")
TAG = UpstreamTag("v1", DIGEST, platforms={Platform.parse("linux/amd64"): AMD64})
SIG, LIST = f"{referrers_tag(DIGEST)}.sig", referrers_tag(AMD64)


def refused(*, digest: str = DIGEST, ago: timedelta = HOUR) -> dict[str, SignatureCheck]:
    return {"v1": SignatureCheck(Finding("refused", digest, detail="not signed"), NOW - ago)}


def names(
    checks: dict[str, SignatureCheck],
    *others: UpstreamTag,
    records: dict[str, TagRecord] | None = None,
    cycle: timedelta = 6 * HOUR,
) -> list[str]:
    return resting(checks, [TAG, *others], records or {}, cycle=cycle, now=NOW)


def test_a_refused_tag_rests_until_the_last_cycle_of_a_day() -> None:
    assert names(refused()) == ["v1"]
    assert names(refused(ago=18 * HOUR)) == ["v1"]
    assert names(refused(ago=19 * HOUR)) == []
    assert names(refused(ago=23 * HOUR), cycle=timedelta(minutes=5)) == ["v1"]
    assert names(refused(ago=HOUR), cycle=30 * HOUR) == []


def test_another_digest_is_tried_at_once() -> None:
    assert names(refused(digest=made_up_digest("before"))) == []


def test_other_tags_do_not_rest() -> None:
    assert names({}) == []


def test_a_time_in_the_future_does_not_count() -> None:
    assert names(refused(ago=-HOUR)) == []


def test_a_signature_that_is_new_or_has_changed_brings_a_try() -> None:
    for name in (SIG, LIST):  # of the index, or of an image in it
        now, known = (
            UpstreamTag(name, made_up_digest("signature")),
            tag(name, source_digest=made_up_digest("signature")),
        )
        assert names(refused(), now) == []
        assert names(refused(), now, records={name: known}) == ["v1"]
        assert names(refused(), now, records={name: replace(known, gone_at=NOW)}) == []
        assert names(refused(), now, records={name: replace(known, source_digest=made_up_digest("older"))}) == []


def test_a_signature_of_something_else_brings_none() -> None:
    assert names(refused(), UpstreamTag(f"{referrers_tag(made_up_digest('other'))}.sig", made_up_digest("x"))) == ["v1"]
