"""Parsing registries, repositories, tags and digests."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.reference import (
    DIGEST,
    TAG,
    Reference,
    Repository,
    is_digest,
    is_keep_tag,
    is_tag,
    keep_tag,
    parse_registry,
    referrers_tag,
    subject_of,
)

DIGEST_A = f"sha256:{'a' * 64}"
hosts = st.one_of(
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?){1,3}", fullmatch=True),
    st.just("localhost"),
    st.just("[::1]:5000"),
)
ports = st.one_of(st.just(""), st.integers(1, 65535).map(lambda port: f":{port}"))
registries = st.tuples(hosts, ports).map(lambda pair: pair[0] if ":" in pair[0] else "".join(pair))
components = st.from_regex(r"[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}", fullmatch=True)
names = st.lists(components, min_size=1, max_size=4).map("/".join)
tags = st.from_regex(TAG, fullmatch=True, alphabet=string.printable)
digests = st.from_regex(DIGEST, fullmatch=True, alphabet=string.printable)


@given(registries, names)
def test_a_repository_round_trips_through_text(registry: str, name: str) -> None:
    repository = Repository.parse(f"{registry}/{name}")
    assert Repository.parse(str(repository)) == repository
    assert repository.registry == parse_registry(registry)
    assert repository.name in {name, f"library/{name}"}
    assert "/".join(part for part in (repository.namespace, repository.image) if part) == repository.name


@given(st.text())
def test_any_text_is_a_repository_or_a_value_error(text: str) -> None:
    try:
        repository = Repository.parse(text)
    except ValueError:
        return
    assert Repository.parse(str(repository)) == repository


@pytest.mark.parametrize(
    ("text", "registry", "name"),
    [
        ("quay.io/coreos/flannel", "quay.io", "coreos/flannel"),
        ("docker.io/nginx", "docker.io", "library/nginx"),
        ("docker.io/library/nginx", "docker.io", "library/nginx"),
        ("index.docker.io/nginx", "docker.io", "library/nginx"),
        ("registry-1.docker.io/bitnami/nginx", "docker.io", "bitnami/nginx"),
        ("localhost/app", "localhost", "app"),
        ("localhost:5000/a/b", "localhost:5000", "a/b"),
        ("127.0.0.1:5000/app", "127.0.0.1:5000", "app"),
        ("[::1]:5000/app", "[::1]:5000", "app"),
        ("Registry.Example.COM:8443/app", "registry.example.com:8443", "app"),
        ("ghcr.io/a.b/c__d/e-f", "ghcr.io", "a.b/c__d/e-f"),
        ("quay.io/prometheus/node--exporter", "quay.io", "prometheus/node--exporter"),
        (f"quay.io/{'a' * 255}", "quay.io", "a" * 255),
    ],
)
def test_repositories(text: str, registry: str, name: str) -> None:
    assert Repository.parse(text) == Repository(registry, name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nginx", "expected registry/namespace/image, such as docker.io/nginx"),
        ("library/nginx", "expected registry/namespace/image, such as docker.io/library/nginx"),
        ("quay.io", "names no registry"),
        ("quay.io/", "is not a repository name"),
        ("quay.io//a", "is not a repository name"),
        ("quay.io/a/", "is not a repository name"),
        ("quay.io/CoreOS/flannel", "repository names are lower case"),
        ("quay.io/a/b:v1", "is not a repository name"),
        ("quay.io/../etc", "is not a repository name"),
        (f"quay.io/{'a' * 256}", "is not a repository name"),
        ("quay.io:/a", "is not a registry host"),
        ("quay.io:99999/a", "is not a registry host"),
        ("https://quay.io/a", "is not a registry host"),
        ("hub.docker.com/r/bitnami/redis", "Docker Hub's web site: expected docker.io/bitnami/redis"),
        ("hub.docker.com/r/bitnami/redis/tags?page=2", "expected docker.io/bitnami/redis"),
        ("https://hub.docker.com/_/nginx/", "expected docker.io/nginx"),
        ("Hub.Docker.com/layers/library/nginx/1.27/images/x", "expected docker.io/library/nginx"),
        ("hub.docker.com/repository/docker/me/app/general", "expected docker.io/me/app"),
        ("hub.docker.com/nginx", "expected docker.io/namespace/image"),
        ("user@quay.io/a", "is not a registry host"),
        ("quay.io\n/a", "is not a registry host"),
        ("quay.io/a\n", "is not a repository name"),
    ],
)
def test_invalid_repositories(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Repository.parse(text)


@given(tags)
def test_tags(tag: str) -> None:
    assert is_tag(tag)
    assert Reference(Repository("quay.io", "a/b"), tag=tag).selector == tag


@given(tags, st.sampled_from(["/", "\n", "\t", " ", "..\\", "\0", ":", "@", "ü"]), st.integers(0, 128))
def test_characters_that_could_escape_a_path_or_a_line_are_no_tag(tag: str, bad: str, at: int) -> None:
    assert not is_tag(tag[:at] + bad + tag[at:])


@pytest.mark.parametrize("text", ["", ".", "..", "-a", ".a", "a" * 129, "v1\n", "a/b", "a:b"])
def test_invalid_tags(text: str) -> None:
    assert not is_tag(text)


@given(digests)
def test_digests(digest: str) -> None:
    assert is_digest(digest)
    assert not is_digest(f"{digest}\n")
    assert not is_digest(digest.upper())
    assert not is_digest(digest[:-1])


@pytest.mark.parametrize(
    "text", ["", "Unknown", "sha256:", f"md5:{'a' * 32}", f"sha256:{'g' * 64}", f"sha256:{'a' * 65}"]
)
def test_invalid_digests(text: str) -> None:
    assert not is_digest(text)


def test_a_reference_is_written_as_docker_writes_it() -> None:
    repository = Repository.parse("quay.io/coreos/etcd")
    assert str(repository.tagged("v1")) == "quay.io/coreos/etcd:v1"
    assert str(repository.pinned(DIGEST_A)) == f"quay.io/coreos/etcd@{DIGEST_A}"
    both = Reference(repository, tag="v1", digest=DIGEST_A)
    assert str(both) == f"quay.io/coreos/etcd:v1@{DIGEST_A}"
    assert both.selector == DIGEST_A


def test_a_reference_to_nothing_selects_nothing() -> None:
    with pytest.raises(ValueError, match="neither tag nor digest"):
        _ = Reference(Repository("quay.io", "a/b")).selector


@pytest.mark.parametrize("suffix", ["", ".sig", ".att", ".sbom"])
def test_the_subject_of_a_cosign_or_referrers_tag(suffix: str) -> None:
    assert subject_of(f"sha256-{'a' * 64}{suffix}") == f"sha256:{'a' * 64}"
    assert subject_of(f"v1-sha256-{'a' * 64}{suffix}") is None
    assert subject_of(f"sha256-{'a' * 63}{suffix}") is None


@pytest.mark.parametrize(
    ("digest", "tag"),
    [(f"sha256:{'a' * 64}", f"sha256-{'a' * 64}"), (f"sha512:{'b' * 128}", f"sha512-{'b' * 64}")],
)
def test_the_referrers_tag_of_a_digest(digest: str, tag: str) -> None:
    assert referrers_tag(digest) == tag
    assert is_tag(tag)


def test_the_tag_that_holds_a_digest() -> None:
    tag = keep_tag(f"sha256:{'0123456789abcdef' * 4}")
    assert tag == f"ferryman-keep-{'0123456789abcdef' * 2}"
    assert is_keep_tag(tag)
    assert is_keep_tag(keep_tag(f"sha512:{'b' * 128}"))
    assert not is_keep_tag("ferryman-keep-sake")
