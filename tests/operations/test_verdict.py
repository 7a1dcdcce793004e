"""The verdict: what is worst comes first, in one sentence; and each of its signals has one."""

import gettext
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ferryman.item_names import Named
from ferryman.kinds import DamageKind
from ferryman.liveness import check_liveness
from ferryman.operations import signals
from ferryman.operations.signals import Signal
from ferryman.operations.verdict import Verdict, judge, unreadable
from ferryman.store.ledger import LookupFailure
from ferryman.store.queries.causes import Cause
from ferryman.store.queries.counts import TagCounts
from ferryman.store.queries.findings import DamagedTags
from ferryman.store.queries.refused_deletes import RefusedDeletes
from ferryman.store.queries.standing import EndedCycle, Standing
from ferryman.store.records import Freeze, ManualPause, Paused, RegistryState
from ferryman.store.services import Service
from ferryman.views.documents.verdict import VerdictDocument
from ferryman.views.verdict_sentences import headline, in_words

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MORNING = datetime(2026, 5, 1, 9, 12, tzinfo=UTC)
ETCD = Named("etcd", "quay.io/coreos/etcd", "r.example.com/etcd")
NGINX = Named("nginx", "docker.io/library/nginx", "r.example.com/nginx")
RUN = Service("host.1.2", "run", NOW, NOW, next_cycle_at=NOW + timedelta(hours=1))
WELL = Standing(
    at=NOW,
    counts={ETCD.target: TagCounts(synced=3), NGINX.target: TagCounts(synced=2)},
    walked_at={ETCD.target: MORNING, NGINX.target: MORNING},
    causes=(), lookup_failures=(), registries=(), pauses=Paused(), services=(RUN,), cycle=None, attempt_at=None,
)  # fmt: skip


[ALIVE] = check_liveness([RUN], now=NOW)


def judged(**changes: Any) -> Verdict:
    standing = replace(WELL, **changes)
    return judge(standing, [ETCD, NGINX], check_liveness(standing.services, now=NOW))


def counts(etcd: TagCounts = TagCounts(), nginx: TagCounts = TagCounts()) -> dict[str, TagCounts]:  # noqa: B008
    return {ETCD.target: etcd, NGINX.target: nginx}


def failed(kind: str, tags: int, *, outdated: int = 0, status: Any = "failed", registry: str = "quay.io") -> Cause:
    return Cause(status, kind, registry, tags, outdated, MORNING, (ETCD.target,))


def damaged(kind: DamageKind, tags: int, *, item: Named = ETCD) -> DamagedTags:
    return DamagedTags(item.target, kind, tags, MORNING)


REFUSED = RegistryState("quay.io", None, "refused", MORNING)
LIMITED = RegistryState("docker.io", NOW + timedelta(hours=1), "slow down", MORNING)
UNSEEN = LookupFailure("etcd", ETCD.source, ETCD.target, MORNING, "no route", "unreachable", "quay.io")
FROZEN = Freeze(ETCD.target, "etcd", ETCD.source, "vanished", MORNING, MORNING, 9, 1, "1 of 9 left")
SILENT = replace(RUN, role="scheduler")


@pytest.mark.parametrize(
    ("changes", "state", "sentence"),
    [
        ({}, "complete", "the mirror is complete: 5 tags of 2 items"),
        (
            {"services": ()},
            "complete", "the mirror is complete: 5 tags of 2 items, and no service is running",
        ),
        (
            {"counts": counts(TagCounts(due=2), TagCounts(running=1, waiting=1))},
            "working", "1 tag is copied now, 3 tags are queued",
        ),
        ({"counts": counts(TagCounts(due=1)), "services": ()}, "working", "1 tag is queued, and no service is running"),
        ({"walked_at": {ETCD.target: MORNING}}, "working", "1 item has not been looked at yet"),
        ({"walked_at": {}, "counts": counts()}, "empty", "nothing is recorded yet"),
        (
            {"registries": (REFUSED,), "counts": counts(TagCounts(held=2, outdated_queued=1, failed=1)),
             "causes": (failed("login", 1),)},
            "incomplete",
            "2 tags of 1 item are missing, 1 outdated: quay.io refuses the login since 2026-05-01 09:12 UTC",
        ),
        (
            {"registries": (REFUSED,), "lookup_failures": (replace(UNSEEN, error_kind="login"),)},
            "incomplete", "1 item cannot be looked at: quay.io refuses the login since 2026-05-01 09:12 UTC",
        ),
        (
            {"causes": (failed("denied", 1), failed("not-found", 4, outdated=4))},
            "incomplete",
            "4 tags of 1 item are outdated: quay.io does not have it since 2026-05-01 09:12 UTC (and 1 more trouble)",
        ),
        (
            {"lookup_failures": (UNSEEN,)},
            "incomplete", "etcd cannot be looked at: quay.io cannot be reached since 2026-05-01 09:12 UTC",
        ),
        (
            {"damaged": (damaged("changed", 2), damaged("lost", 1), damaged("changed", 3, item=NGINX))},
            "incomplete",
            ("1 mirrored tag of 1 item is lost: neither upstream nor the target has it any more "
             "since 2026-05-01 09:12 UTC (and 1 more trouble)"),
        ),
        (
            {"damaged": (damaged("changed", 2), damaged("changed", 3, item=NGINX))},
            "incomplete",
            "somebody else has overwritten 5 tags of 2 items at the target since 2026-05-01 09:12 UTC",
        ),
        (
            {"counts": counts(TagCounts(synced=3, changed=2), TagCounts(synced=3))},
            "incomplete",
            "upstream has changed 2 version tags of 1 item, which are held: release or keep them",
        ),
        (
            {"damaged": (damaged("missing", 1),)},
            "incomplete", "the target has lost 1 tag of 1 item since 2026-05-01 09:12 UTC",
        ),
        (
            {"damaged": (damaged("incomplete", 2),)},
            "incomplete", "the target has lost a part of 2 tags of 1 item since 2026-05-01 09:12 UTC",
        ),
        (
            {"freezes": (FROZEN,), "lookup_failures": (replace(UNSEEN, error_kind="frozen"),)},
            "incomplete", "etcd frozen: upstream has lost what is mirrored since 2026-05-01 09:12 UTC",
        ),
        (
            {"freezes": (FROZEN, replace(FROZEN, target=NGINX.target)), "lookup_failures": (UNSEEN,)},
            "incomplete",
            "2 items frozen: upstream has lost what is mirrored since 2026-05-01 09:12 UTC (and 1 more trouble)",
        ),
        (
            {"causes": (failed("unreachable", 2, outdated=2, status="synced"),)},
            "incomplete",
            "2 mirrored tags of 1 item cannot be read upstream: quay.io cannot be reached since 2026-05-01 09:12 UTC",
        ),
        (
            {"causes": (failed("unreachable", 2, status="queued"),), "counts": counts(TagCounts(waiting=2))},
            "working", "2 tags of 1 item are tried again: quay.io cannot be reached since 2026-05-01 09:12 UTC",
        ),
        (
            {"registries": (LIMITED,), "counts": counts(TagCounts(due=1), TagCounts(waiting=7))},
            "working", "7 tags wait for the limit of docker.io, until 2026-05-01 13:00 UTC",
        ),
        (
            {"pauses": Paused.of([ManualPause("item", ETCD.target, MORNING, "cli:ada@host")])},
            "paused", "etcd is paused by cli:ada@host since 2026-05-01 09:12 UTC",
        ),
        (
            {"services": (SILENT,)},
            "ill", "no worker is running: nothing is copied",
        ),
        (
            {"services": (replace(RUN, next_cycle_at=MORNING),)},
            "ill", "run on host: its next cycle was due at 2026-05-01 09:12 UTC, and has not begun",
        ),
        (
            {"cycle": EndedCycle("failed", MORNING, MORNING, "the disk is full")},
            "ill", "the last cycle failed since 2026-05-01 09:12 UTC: the disk is full",
        ),
        (
            {"counts": counts(TagCounts(due=3, due_since=MORNING))},
            "ill", "3 tags are due, and no worker copies them since 2026-05-01 09:12 UTC",
        ),
    ],
)  # fmt: skip
def test_the_worst_comes_first(changes: dict[str, Any], state: str, sentence: str) -> None:
    verdict = judged(**changes)
    assert (verdict.state, headline(verdict)) == (state, sentence)
    assert verdict.ready == (state != "ill" and "services" not in changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"attempt_at": NOW - timedelta(minutes=1)},
        {"counts": counts(TagCounts(due=3, running=1, due_since=MORNING))},
        {"counts": counts(TagCounts(due=3, due_since=NOW - timedelta(minutes=5)))},
        {"pauses": Paused.of([ManualPause("registry", "quay.io", MORNING, "me")])},
        {"pauses": Paused.of([], {ETCD.target, NGINX.target})},
        {"services": ()},
    ],
)
def test_a_queue_that_moves_or_rests_is_not_stuck(changes: dict[str, Any]) -> None:
    verdict = judged(**({"counts": counts(TagCounts(due=3, due_since=MORNING))} | changes))
    assert verdict.state in {"working", "paused"}


def test_quarantine_is_told_and_is_no_work() -> None:
    verdict = judged(counts=counts(TagCounts(synced=3, quarantined=2)))
    assert (verdict.state, verdict.troubles) == ("complete", ())
    assert headline(verdict) == "the mirror is complete: 3 tags of 2 items, 2 tags are in quarantine"
    working = judged(counts=counts(TagCounts(due=1, quarantined=1)))
    assert headline(working) == "1 tag is queued, 1 tag is in quarantine"


def test_deletes_are_refused_where_items_yml_prunes() -> None:
    staying = (RefusedDeletes(ETCD.target, 2, NOW), RefusedDeletes(NGINX.target, 3, MORNING))
    standing = replace(WELL, refused_deletes=staying)
    pruned = replace(ETCD, prunes=True), replace(NGINX, prunes=True)

    [signal, *_] = judge(standing, pruned, [ALIVE]).signals
    assert signal == signals.DeletesRefused(registry="r.example.com", tags=5, items=2, since=MORNING)
    verdict = judge(standing, [pruned[0], NGINX, ETCD], [ALIVE])  # the last one: as it was called before
    assert (verdict.state, headline(verdict)) == (
        "incomplete", "r.example.com refuses to delete 2 tags of 1 item that are to go since 2026-05-01 12:00 UTC",
    )  # fmt: skip
    assert judge(standing, [ETCD, NGINX], [ALIVE]).state == "complete"


def test_tags_that_are_put_back_are_told_and_ask_for_nobody() -> None:
    verdict = judged(counts=counts(TagCounts(synced=3, put_back=2)))
    assert (verdict.state, verdict.troubles) == ("complete", ())
    assert headline(verdict) == "the mirror is complete: 3 tags of 2 items, 2 tags are put back and held"


def test_a_pause_tells_how_much_it_holds_back() -> None:
    queues = counts(TagCounts(due=3), TagCounts(due=4))
    pauses = [ManualPause("all", "", MORNING, "me"), ManualPause("registry", "quay.io", MORNING, "me")]
    found = judged(counts=queues, pauses=Paused.of(pauses)).signals
    everything, registry = [each for each in found if isinstance(each, signals.PausedByHand)]
    assert (everything.queued, registry.queued) == (7, 3)


def all_signals() -> Sequence[Signal]:
    """One of each kind."""
    common = {"kind": "denied", "registry": "quay.io", "items": 2, "since": MORNING}
    return (
        signals.DatabaseFails(error="locked"),
        signals.ProcessFault(role="run", host="host", fault="silent", since=MORNING),
        signals.RoleMissing(role="scheduler"),
        signals.CycleFailed(error=None),
        signals.QueueStuck(tags=1),
        signals.LoginRefused(registry="quay.io", missing=0, outdated=0, items=0, unseen=0, since=MORNING),
        signals.TagsFailed(missing=1, outdated=0, **common),  # type: ignore[arg-type]
        signals.ItemsUnseen(name="etcd", **common),  # type: ignore[arg-type]
        signals.ItemsFrozen(reason="changed", items=1, name="etcd"),
        signals.TagsUnread(tags=1, **common),  # type: ignore[arg-type]
        signals.TagsDamaged(finding="lost", tags=1, items=2),
        signals.ChangesHeld(tags=1, items=1),
        signals.DeletesRefused(registry="r.example.com", tags=1, items=1),
        signals.PausedByHand(scope="all", name="", actor="me", queued=1),
        signals.TagsRetried(tags=1, **common),  # type: ignore[arg-type]
        signals.RequestsLimited(registry="quay.io", until=NOW, tags=1),
        signals.Working(queued=0, running=1),
        signals.NotLookedYet(items=2),
        signals.Complete(tags=1, items=1),
        signals.Quarantined(tags=1),
        signals.PutBack(tags=1),
        signals.NothingRecorded(),
        signals.NobodyRuns(),
    )


def test_every_signal_has_a_sentence_in_every_language() -> None:
    # By name: a dataclass with slots is made twice.
    assert {type(each).__name__ for each in all_signals()} == {each.__name__ for each in Signal.__subclasses__()}
    for signal in all_signals():
        assert "%" not in in_words(signal)
        assert in_words(signal, _Marked()).startswith("«")


class _Marked(gettext.NullTranslations):
    """Another language: with marks around every text."""

    def gettext(self, message: str) -> str:
        return f"«{message}»"

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return f"«{singular if number == 1 else plural}»"


def test_the_document_has_the_sentences_and_their_facts() -> None:
    verdict = judged(registries=(LIMITED,), counts=counts(TagCounts(synced=1, due=1), TagCounts(waiting=7)))
    document = VerdictDocument.of(verdict, headline=headline(verdict), in_words=in_words).model_dump(mode="json")
    assert (document["state"], document["ready"], document["items"]) == ("working", True, 2)
    assert (document["tags"]["wanted"], document["tags"]["missing"]) == (9, 8)
    assert document["signals"][0] == {
        "signal": "requests-limited",
        "state": "working",
        "sentence": "7 tags wait for the limit of docker.io, until 2026-05-01 13:00 UTC",
        "since": "2026-05-01T09:12:00Z",
        "facts": {"registry": "docker.io", "until": "2026-05-01T13:00:00Z", "tags": 7},
    }


def test_a_database_that_fails_is_a_verdict_too() -> None:
    verdict = unreadable("the disk is full")
    assert (verdict.state, verdict.ready) == ("ill", False)
    assert headline(verdict) == "the state database cannot be used: the disk is full"
