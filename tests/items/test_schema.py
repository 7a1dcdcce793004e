"""The JSON Schema for editors, and the items.yml that ships with it."""

import json
from pathlib import Path
from typing import Any

from ferryman import items
from ferryman.items.document import FileKeys, ItemKeys, RegistryKeys
from ferryman.items.schema import schema

ROOT = Path(__file__).parents[2]
# The first Ferryman's list. An image that moved has the name by which it is found today.
FIRST_LIST = {
    "kube-proxy", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd", "coredns", "pause",
    "kubernetes-dashboard", "metrics-server", "flannel", "nginx-ingress-controller", "dashboard", "jenkins", "nexus3",
    "sonarqube", "gitlab-ce", "gitlab-runner", "traefik",
}  # fmt: skip


def test_the_schema_in_the_docs_is_the_one_that_is_printed() -> None:
    kept = json.loads((ROOT / "docs" / "items.schema.json").read_text(encoding="utf-8"))
    assert kept == schema(), "print it anew: ferryman schema > docs/items.schema.json"


def test_every_key_is_described_and_strange_ones_are_refused() -> None:
    printed = schema()
    assert printed["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for name, definition in printed["$defs"].items():
        assert definition["additionalProperties"] is False, name
        assert all("description" in key for key in definition["properties"].values()), name
    assert printed["then"]["additionalProperties"] is False


def test_the_schema_knows_the_keys_the_defaults_and_no_null() -> None:
    printed = schema()
    definitions: dict[str, Any] = printed["$defs"]
    assert set(definitions["ItemKeys"]["properties"]) == set(ItemKeys.model_fields)
    assert set(definitions["RegistryKeys"]["properties"]) == set(RegistryKeys.model_fields)
    assert definitions["ItemKeys"]["properties"]["limit"]["default"] == items.UNLIMITED
    assert definitions["ItemKeys"]["properties"]["order"]["enum"] == ["newest", "version", "name"]
    assert '"null"' not in json.dumps(printed)


def test_both_forms_are_distinguished() -> None:
    printed = schema()
    assert [branch["required"] for branch in printed["if"]["anyOf"]] == [["items"], ["defaults"], ["registries"]]
    assert set(printed["then"]["properties"]) == {"items", "defaults", "registries"} | set(FileKeys.model_fields)
    assert printed["else"]["additionalProperties"] == {"$ref": "#/$defs/LegacyItemKeys"}


def test_the_shipped_list_holds_the_first_ferrymans_images() -> None:
    configuration = items.load(ROOT / "items.yml", environ={})
    assert {item.target.image for item in configuration.items} == FIRST_LIST
    assert {f"{item.target.registry}/{item.target.namespace}" for item in configuration.items} == {
        "127.0.0.1:5000/mirror"
    }


def test_the_shipped_list_goes_wherever_target_says() -> None:
    configuration = items.load(ROOT / "items.yml", environ={"TARGET": "registry.example.com/mine/"})
    assert all(str(item.target).startswith("registry.example.com/mine/") for item in configuration.items)


def test_the_shipped_list_points_editors_at_its_schema() -> None:
    first, _, _ = (ROOT / "items.yml").read_text(encoding="utf-8").partition("\n")
    assert first == "# yaml-language-server: $schema=docs/items.schema.json"
