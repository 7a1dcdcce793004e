"""Resolving ITEM and ITEM:TAG."""

import pytest

from ferryman.errors import ConfigurationError
from ferryman.item_names import Named, select, target_and_tag, targets_of
from ferryman.items.model import Item
from ferryman.reference import Repository

ETCD = Named("etcd", "quay.io/coreos/etcd", "registry.example.com/mirror/etcd")
LOCAL = Named("localhost:5000/app", "localhost:5000/app", "127.0.0.1:5001/team/my-app")
# Two items of one name; one of them is pulled as `traefik-old`.
TRAEFIK = Named("traefik", "docker.io/library/traefik", "registry.example.com/mirror/traefik")
TRAEFIK_OLD = Named("traefik", "docker.io/library/traefik", "registry.example.com/mirror/traefik-old")
KNOWN = [ETCD, LOCAL, TRAEFIK, TRAEFIK_OLD]


def complaint(*names: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        targets_of(KNOWN, names)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("etcd", {ETCD}),
        ("quay.io/coreos/etcd", {ETCD}),
        ("registry.example.com/mirror/etcd", {ETCD}),
        ("localhost:5000/app", {LOCAL}),
        ("127.0.0.1:5001/team/my-app", {LOCAL}),
        ("my-app", {LOCAL}),
        ("traefik", {TRAEFIK, TRAEFIK_OLD}),
        ("docker.io/library/traefik", {TRAEFIK, TRAEFIK_OLD}),
        ("traefik-old", {TRAEFIK_OLD}),
    ],
)
def test_an_item_is_found_by_its_name_its_source_and_its_target(name: str, meant: set[Named]) -> None:
    assert targets_of(KNOWN, [name]) == {each.target for each in meant}


def test_several_names_mean_all_of_them() -> None:
    assert targets_of(KNOWN, ["etcd", "my-app", "etcd"]) == {ETCD.target, LOCAL.target}


def test_an_unknown_name_is_an_error_with_the_nearest_name() -> None:
    assert complaint("etdc") == "there is no item 'etdc': did you mean 'etcd'?"
    assert complaint("zzz") == "there is no item 'zzz'; see `ferryman status`"


def test_every_unknown_name_is_reported() -> None:
    assert complaint("etdc", "traefik", "zzz").splitlines() == [
        "there is no item 'etdc': did you mean 'etcd'?", "there is no item 'zzz'; see `ferryman status`",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "target", "tag"),
    [
        ("etcd", ETCD, None),
        ("etcd:v3.5.0", ETCD, "v3.5.0"),
        ("quay.io/coreos/etcd:v3.5.0", ETCD, "v3.5.0"),
        ("localhost:5000/app", LOCAL, None),
        ("localhost:5000/app:1.0", LOCAL, "1.0"),
        ("127.0.0.1:5001/team/my-app:latest", LOCAL, "latest"),
        ("traefik-old:v3", TRAEFIK_OLD, "v3"),
    ],
)
def test_a_tag_is_what_follows_the_last_colon_unless_that_is_a_port(text: str, target: Named, tag: str | None) -> None:
    assert target_and_tag(KNOWN, text) == ({target.target}, tag)


def test_an_item_whose_name_looks_like_item_and_tag_is_the_item() -> None:
    odd = Named("etcd:v3", "quay.io/coreos/etcd", "registry.example.com/odd/etcd3")
    assert target_and_tag([*KNOWN, odd], "etcd:v3") == ({odd.target}, None)


@pytest.mark.parametrize("text", ["etdc:v3.5.0", "localhost:5000/ap:1.0", "etdc"])
def test_a_near_miss_is_suggested_with_and_without_a_tag(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"did you mean '(etcd|localhost:5000/app)'"):
        target_and_tag(KNOWN, text)


@pytest.mark.parametrize("text", ["etcd:", "etcd:not/a/tag", "etcd:with space", ":v3", ""])
def test_an_invalid_tag_is_an_error(text: str) -> None:
    with pytest.raises(ConfigurationError):
        target_and_tag(KNOWN, text)


def test_items_are_selected_in_their_own_order_and_once() -> None:
    items = [
        Item(name, Repository.parse(f"quay.io/a/{name}"), Repository.parse(f"registry.example.com/m/{name}"))
        for name in ("one", "two", "three")
    ]
    assert select(items, []) == items
    assert select(items, ["three", "quay.io/a/one", "one"]) == [items[0], items[2]]
    with pytest.raises(ConfigurationError, match="did you mean 'three'"):
        select(items, ["one", "thre"])
