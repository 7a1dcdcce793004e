"""Failed lookups, grouped by cause."""

from datetime import datetime, timedelta

from ferryman.store.ledger import LookupFailure
from ferryman.views.lookup_failures import grouped_by_cause
from tests.support.upstreams import NOON


def failure(item: str, source: str, error: str, since: datetime | None = None) -> LookupFailure:
    return LookupFailure(item, source, f"registry.example.com/{item}", since, error)


def test_one_network_that_is_down_is_reported_once() -> None:
    unseen = [
        failure(
            f"{registry[:2]}{number}",
            f"{registry}/team{number}/app",
            f"https://{registry}: tags of team{number}/app: cannot connect to {registry}:443 ('10.0.{number}.1', 443)",
            NOON + timedelta(minutes=number),
        )
        for registry in ("docker.io", "quay.io", "ghcr.io")
        for number in range(6)
    ]
    [told] = grouped_by_cause(unseen)
    assert told == (
        "18 items of 3 registries could not be looked at since 2026-05-01 12:00 UTC "
        f"(do0, do1, do2, do3, do4 and 13 more): do0: {unseen[0].error}"
    )


def test_a_single_item_is_reported_with_its_source() -> None:
    assert grouped_by_cause([failure("etcd", "quay.io/coreos/etcd", "no such repository")]) == [
        "etcd (quay.io/coreos/etcd) could not be looked at: no such repository"
    ]


def test_causes_stay_apart_and_the_one_of_most_items_comes_first() -> None:
    told = grouped_by_cause(
        [
            failure("a", "quay.io/x/a", "quay.io: tags of x/a: no such repository"),
            failure("b", "quay.io/x/b", "quay.io: tags of x/b: too many requests until 2026-05-01 12:00:01 UTC"),
            failure("c", "quay.io/x/c", "quay.io: tags of x/c: too many requests until 2026-05-01 12:00:09 UTC"),
        ]
    )
    assert [each.partition(" could")[0] for each in told] == ["2 items of quay.io", "a (quay.io/x/a)"]


def test_an_error_that_is_the_same_for_all_is_reported_without_a_name() -> None:
    unseen = [failure(name, f"quay.io/x/{name}", "the login was refused") for name in ("a", "b")]
    assert grouped_by_cause(unseen) == ["2 items of quay.io could not be looked at (a, b): the login was refused"]


def test_a_short_name_is_not_cut_out_of_other_words() -> None:
    """Else `a` would make different sentences alike."""
    told = grouped_by_cause([failure("a", "r/a", "a banana"), failure("n", "r/n", "a banana")])
    assert len(told) == 2


def test_no_failures_give_no_messages() -> None:
    assert grouped_by_cause([]) == []
