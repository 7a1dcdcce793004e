"""The platform that a config, or a descriptor of an index, names."""

import json
from typing import Any

import pytest

from ferryman.manifests.config import parse_config, platform_in, platform_of
from ferryman.platforms import Platform


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"os": "linux", "architecture": "amd64"}, "linux/amd64"),
        ({"os": "linux", "architecture": "arm", "variant": "v7"}, "linux/arm/v7"),
        ({"os": "linux", "architecture": "arm64", "variant": 8}, "linux/arm64"),
        ({"os": "linux", "architecture": "arm64", "variant": None}, "linux/arm64"),
        ({"os": "Linux", "architecture": "x86_64"}, "linux/amd64"),
        ({"os": "linux"}, None),
        ({"os": "", "architecture": "amd64"}, None),
        ({"os": "linux", "architecture": ""}, None),
        ({"os": 5, "architecture": "amd64"}, None),
        ({"os": "linux", "architecture": ["amd64"]}, None),
        ({"os": None, "architecture": None}, None),
        ({}, None),
    ],
)
def test_platform(document: dict[str, Any], expected: str | None) -> None:
    platform = None if expected is None else Platform.parse(expected)
    assert platform_in(document) == platform
    assert platform_of(json.dumps(document).encode()) == platform


@pytest.mark.parametrize("document", [None, "linux/amd64", 5, ["os"]])
def test_anything_but_an_object_has_no_platform(document: Any) -> None:
    assert platform_in(document) is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"5", b"null", b'"os"', b"\xff\xfe", b"[" * 100_000])
def test_a_config_that_is_no_json_object_is_empty(body: bytes) -> None:
    assert parse_config(body) == {}
    assert platform_of(body) is None
