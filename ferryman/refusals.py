"""When a tag whose signatures were refused is tried again: pure.

Once a day, and as soon as the list of tags shows that signatures of it have come or changed. What only the referrers
API lists is seen by the daily try.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from ferryman.discovery.base import UpstreamTag
from ferryman.reference import subject_of
from ferryman.store.records import TagRecord
from ferryman.store.signatures import SignatureCheck

_DAY = timedelta(days=1)
_LAST_CHANCE = 0.9  # of the time between two cycles: in a later cycle, more than a day would have passed


def resting(
    refused: Mapping[str, SignatureCheck],
    tags: Iterable[UpstreamTag],
    records: Mapping[str, TagRecord],
    *,
    cycle: timedelta,
    now: datetime,
) -> list[str]:
    """The refused tags that are not tried now. `cycle`: the time between two cycles.

    A time in the future was written under a clock that was ahead: it does not count.
    """
    tags = list(tags)
    signed = _newly_signed(tags, records)
    return [
        tag.name
        for tag in tags
        if (check := refused.get(tag.name))
        and check.finding.digest == tag.digest
        and signed.isdisjoint({tag.digest, *(tag.platforms or {}).values()})
        and timedelta(0) <= now - check.checked_at < _DAY - cycle * _LAST_CHANCE
    ]


def _newly_signed(tags: Iterable[UpstreamTag], records: Mapping[str, TagRecord]) -> frozenset[str]:
    """The digests of which a cosign tag, or a referrers tag, is new or has changed since the last look."""
    return frozenset(
        subject
        for tag in tags
        if (subject := subject_of(tag.name))
        and (
            (record := records.get(tag.name)) is None
            or record.gone_at is not None
            or record.source_digest != tag.digest
        )
    )
