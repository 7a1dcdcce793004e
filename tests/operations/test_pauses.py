"""What pauses are called, and whom they hold back."""

from datetime import UTC, datetime

import pytest

from ferryman.errors import ConfigurationError
from ferryman.item_names import Named
from ferryman.operations.known_items import KnownItems
from ferryman.operations.pauses import pause_in_words, pauses_of, to_pause, to_resume
from ferryman.operations.subjects import items_in_words
from ferryman.store.records import ManualPause, Paused

ETCD = Named("etcd", "quay.io/coreos/etcd", "registry.example.com/mirror/etcd")
NGINX = Named("nginx", "docker.io/library/nginx", "registry.example.com/mirror/nginx")
OLD = Named("old", "ghcr.io/acme/old", "registry.example.com/mirror/old")
KNOWN = KnownItems([ETCD, NGINX], [OLD])
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def pause(scope: str, name: str, note: str | None = None) -> ManualPause:
    return ManualPause(scope, name, NOON, "cli:me@here", note)  # type: ignore[arg-type]  # a str


def test_without_a_name_it_is_everything() -> None:
    assert to_pause(KNOWN, [], []) == to_resume(KNOWN, Paused(), [], []) == [("all", "")]


def test_items_and_registries_are_named_as_everywhere() -> None:
    named = to_pause(KNOWN, ["etcd", "docker.io/library/nginx"], ["quay.io", "Index.Docker.io", "quay.io"])
    assert named == [("item", ETCD.target), ("item", NGINX.target), ("registry", "quay.io"), ("registry", "docker.io")]


@pytest.mark.parametrize(
    ("names", "registries", "message"),
    [
        (["etc"], [], "there is no item 'etc': did you mean 'etcd'?"),
        (["old"], [], "items.yml names 'old' no longer"),
        ([], ["quai.io"], "no item has its source or target at 'quai.io': did you mean 'quay.io'?"),
        ([], ["x.example"], "no item has its source or target at 'x.example'; there are docker.io, quay.io, reg"),
        ([], ["quay.io/coreos"], "'quay.io/coreos' is not a registry host"),
    ],
)
def test_an_unknown_name_is_refused(names: list[str], registries: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        to_pause(KNOWN, names, registries)
    assert message in str(refused.value)


def test_what_items_yml_has_no_longer_can_be_resumed() -> None:
    paused = Paused.of([pause("item", "registry.example.com/mirror/lost"), pause("registry", "lost.example.com")])
    named = to_resume(KNOWN, paused, ["old", "registry.example.com/mirror/lost"], ["lost.example.com"])
    assert named == [
        ("item", "registry.example.com/mirror/lost"), ("item", OLD.target), ("registry", "lost.example.com"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (pause("all", ""), "everything is paused since 2026-01-01 12:00 UTC by cli:me@here"),
        (pause("item", ETCD.target, "moves"), "etcd is paused since 2026-01-01 12:00 UTC by cli:me@here: moves"),
        (pause("item", "a.example/b"), "a.example/b is paused since 2026-01-01 12:00 UTC by cli:me@here"),
        (pause("registry", "quay.io"), "registry quay.io is paused since 2026-01-01 12:00 UTC by cli:me@here"),
    ],
)
def test_a_pause_is_a_sentence(given: ManualPause, words: str) -> None:
    assert pause_in_words(given, KNOWN.current) == words


def test_the_pauses_that_hold_some_items_back() -> None:
    of_etcd, of_hub = pause("item", ETCD.target), pause("registry", "docker.io")
    paused = Paused.of([of_etcd, of_hub])
    assert pauses_of(paused, KNOWN.current, {ETCD.target, NGINX.target}) == [of_hub, of_etcd]
    assert pauses_of(paused, KNOWN.current, {ETCD.target}) == [of_etcd]
    everything = pause("all", "")
    assert pauses_of(Paused.of([of_etcd, everything]), KNOWN.current, {NGINX.target}) == [everything]


def test_a_line_of_the_audit_log_names_a_few_items() -> None:
    assert items_in_words({"b", "a"}) == "a, b"
    assert items_in_words({"e", "d", "c", "b", "a"}) == "a, b, c and 2 more"
