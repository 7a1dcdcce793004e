"""Reading indexes, and making them."""

import json
from typing import Any

import pytest

from ferryman.errors import WrongContent
from ferryman.manifests import index
from ferryman.manifests.manifest import Manifest
from ferryman.platforms import Platform
from tests.support import images
from tests.support.images import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, digest_of

A, B = digest_of(b"a"), digest_of(b"b")


def manifest(document: Any, media_type: str = OCI_INDEX) -> Manifest:
    body = json.dumps(document).encode()
    return Manifest(body, media_type, digest_of(body))


def part(digest: str, media_type: str, **platform: str) -> index.Part:
    return index.Part(digest, media_type, 700, platform)


def test_reads_platforms_and_leaves_attestations_out() -> None:
    amd64 = images.image([images.layer({"a": b"a"})])
    provenance, annotations = images.attestation(amd64)
    made = images.index([amd64, provenance], annotations={1: annotations})

    [entry] = index.entries(Manifest(made.manifest, made.media_type, made.digest))

    assert (entry.digest, entry.platform) == (amd64.digest, Platform("linux", "amd64"))


def test_reads_entries_of_unknown_types_and_without_a_platform() -> None:
    [entry] = index.entries(manifest({"manifests": [{"mediaType": "x/y", "digest": A, "size": 1}]}))

    assert (entry.media_type, entry.platform) == ("x/y", None)


@pytest.mark.parametrize("document", [{}, [], {"manifests": 1}, {"manifests": [{}]}, {"manifests": ["x"]}, None])
def test_refuses_a_malformed_index(document: object) -> None:
    with pytest.raises(WrongContent):
        index.entries(manifest(document))


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000])
def test_refuses_what_is_no_json(body: bytes) -> None:
    with pytest.raises(WrongContent, match="no JSON"):
        index.entries(Manifest(body, OCI_INDEX, A))


@pytest.mark.parametrize("platform", [[], "linux/amd64", {"os": 5, "architecture": "amd64"}, {"os": "linux"}, None])
def test_a_missing_platform_is_none_and_a_malformed_one_refused(platform: object) -> None:
    listed = manifest({"manifests": [{"mediaType": OCI_MANIFEST, "digest": A, "size": 1, "platform": platform}]})

    try:
        found = [entry.platform for entry in index.entries(listed)]
    except WrongContent:
        assert platform in ("linux/amd64", {"os": 5, "architecture": "amd64"})
    else:
        assert found == [None]
    assert list(index.images_in(json.loads(listed.body))) == [(A, None)]


def test_images_in_an_index_leave_out_attestations_and_malformed_entries() -> None:
    amd64 = {"os": "linux", "architecture": "amd64"}
    unknown = {"os": "unknown", "architecture": "unknown"}
    entries = [
        {"digest": A, "platform": amd64}, {"digest": B, "platform": unknown}, {"digest": B}, {"digest": "sha256:1"},
        {"digest": None}, {}, None, "x",
    ]  # fmt: skip

    assert list(index.images_in({"manifests": entries})) == [(A, Platform("linux", "amd64")), (B, None)]
    for malformed in ({}, {"manifests": None}, {"manifests": {"digest": A}}):
        assert list(index.images_in(malformed)) == []


@pytest.mark.parametrize("config", [None, "x", {}, {"digest": None}, {"digest": "latest"}, {"digest": ["x"]}])
def test_a_config_that_is_not_named_by_a_digest(config: object) -> None:
    assert index.config_digest(manifest({"config": config}, OCI_MANIFEST)) is None


def test_joins_parts_deterministically() -> None:
    parts = [
        part(A, DOCKER_MANIFEST, os="linux", architecture="amd64"),
        part(B, DOCKER_MANIFEST, architecture="arm", variant="v7", os="linux"),
    ]

    made = index.join(parts)

    assert made == index.join(parts)
    assert made.digest == digest_of(made.body)
    document = json.loads(made.body)
    assert document["mediaType"] == made.media_type == DOCKER_LIST
    assert [child["digest"] for child in document["manifests"]] == [A, B]
    assert document["manifests"][1]["platform"] == {"architecture": "arm", "os": "linux", "variant": "v7"}


def test_joins_oci_parts_to_an_oci_index() -> None:
    parts = [part(A, DOCKER_MANIFEST, os="linux", architecture="amd64"), part(B, OCI_MANIFEST, os="linux")]

    assert index.join(parts).media_type == OCI_INDEX


def test_finds_the_config_and_the_packing() -> None:
    plain = images.image([images.layer({"a": b"a"})])
    read = Manifest(plain.manifest, plain.media_type, plain.digest)
    packed = manifest({"layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+zstd"}]}, OCI_MANIFEST)

    assert index.config_digest(read) == plain.config_digest
    assert index.config_digest(packed) is None
    assert index.has_zstd_layers(packed)
    assert not index.has_zstd_layers(read)


def test_media_types() -> None:
    assert index.is_index(OCI_INDEX)
    assert index.is_index(DOCKER_LIST)
    assert not index.is_index(OCI_MANIFEST)
    assert index.is_schema_1("application/vnd.docker.distribution.manifest.v1+prettyjws")
    assert not index.is_schema_1(DOCKER_MANIFEST)
