"""Labels come from bounded sets, and hold nothing that harms who reads them."""

from ferryman.items.model import Configuration, Item, RegistryEntry
from ferryman.metrics.labels import (
    MOST_ITEMS,
    MOST_REGISTRIES,
    OTHER,
    LastingLabels,
    by_target,
    cause_of,
    method_of,
    registries_of,
    shown,
    status_of,
)
from ferryman.reference import Repository


def item(number: int, *, source: str = "quay.io") -> Item:
    return Item(f"app{number}", Repository(source, f"app{number}"), Repository("registry.example.com", f"app{number}"))


def test_what_cannot_be_printed_is_an_escape_and_the_rest_stays() -> None:
    assert shown('a "b" \\ ü 中') == 'a "b" \\ ü 中'
    assert shown("a\nb\x1b[31m\u202ec\ud800\x00") == "a\\nb\\x1b[31m\\u202ec\\ud800\\x00"


def test_a_long_name_is_cut() -> None:
    assert shown("a" * 300) == "a" * 199 + "…"


def test_items_beyond_the_limit_share_a_label() -> None:
    labels = by_target([item(number) for number in range(MOST_ITEMS + 5)])
    assert labels["registry.example.com/app0"] == "app0"
    assert labels[f"registry.example.com/app{MOST_ITEMS - 1}"] == f"app{MOST_ITEMS - 1}"
    assert [label for label in labels.values() if label == OTHER] == [OTHER] * 5


def test_registries_are_those_of_items_yml() -> None:
    configuration = Configuration((item(1), item(2, source="gcr.io")), {"ghcr.io": RegistryEntry()})
    assert registries_of(configuration) == ["quay.io", "registry.example.com", "gcr.io", "ghcr.io"]


def test_a_host_that_items_yml_does_not_name_is_another_one() -> None:
    labels = LastingLabels(registries_of, most=MOST_REGISTRIES)
    labels.add(Configuration((item(1),), {}))
    assert [labels.of(host) for host in ("quay.io", "evil.example.com")] == ["quay.io", OTHER]


def test_reloading_items_yml_again_and_again_makes_no_more_labels_than_the_limit() -> None:
    labels, names = LastingLabels(registries_of, most=MOST_REGISTRIES), set[str]()
    for number in range(MOST_REGISTRIES * 2):
        labels.add(Configuration((item(number, source=f"host{number}.example.com"),), {}))
        names.add(labels.of(f"host{number}.example.com"))
    assert len(names) == MOST_REGISTRIES  # with OTHER, and without the target's
    assert OTHER in names


def test_methods_statuses_and_causes_are_known_ones() -> None:
    assert [method_of(method) for method in ("GET", "BREW")] == ["GET", OTHER]
    statuses = (200, 429, 299, 418, 599, 999, -1, None)
    assert [status_of(status) for status in statuses] == ["200", "429", "2xx", "4xx", "5xx", OTHER, OTHER, "none"]
    kinds = ("login", "rate-limited", "unreachable", "defect", "lease-lost", "unrecorded", "no such kind", None)
    assert [cause_of(kind) for kind in kinds] == [*kinds[:-2], OTHER, "none"]
