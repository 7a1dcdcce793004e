"""How each registry is: the worst that is known of it."""

from dataclasses import replace
from typing import Any

import pytest

from ferryman.operations.registry_cards import registry_cards
from ferryman.store.queries.counts import TagCounts
from ferryman.store.records import ManualPause, Paused
from tests.operations.test_verdict import ETCD, LIMITED, MORNING, NGINX, REFUSED, UNSEEN, WELL, counts, failed


@pytest.mark.parametrize(
    ("changes", "condition", "error"),
    [
        ({}, "fine", None),
        ({"registries": (REFUSED,)}, "refused", "refused"),
        ({"registries": (replace(LIMITED, registry="quay.io"),)}, "limited", "slow down"),
        ({"lookup_failures": (UNSEEN,)}, "unreachable", "no route"),
        ({"causes": (failed("unreachable", 2),)}, "unreachable", None),
        ({"causes": (failed("denied", 2),)}, "failing", None),
        ({"lookup_failures": (replace(UNSEEN, error_kind="not-found"),)}, "failing", "no route"),
        ({"causes": (failed("denied", 2, registry="docker.io"),)}, "fine", None),
        ({"pauses": Paused.of([ManualPause("registry", "quay.io", MORNING, "me", "a note")])}, "paused", "a note"),
    ],
)
def test_the_worst_counts(changes: dict[str, Any], condition: str, error: str | None) -> None:
    cards = {card.registry: card for card in registry_cards(replace(WELL, **changes), [ETCD, NGINX])}
    card = cards["quay.io"]
    assert (card.condition, card.error) == (condition, error)
    assert (card.since is None) == (condition == "fine")
    assert sorted(cards) == ["docker.io", "quay.io", "r.example.com"]


def test_what_stands_behind_a_registry() -> None:
    standing = replace(
        WELL,
        counts=counts(TagCounts(due=2, held=1), TagCounts(waiting=4)),
        causes=(failed("denied", 3), failed("denied", 2, status="queued")),
        lookup_failures=(UNSEEN,),
    )
    docker, quay, target = registry_cards(standing, [ETCD, NGINX])
    assert [(card.items, card.counts.queued) for card in (docker, quay, target)] == [(1, 4), (1, 3), (2, 7)]
    assert (quay.failing, quay.unseen) == (5, 1)
