"""A target that is not distribution: zuul-registry. It deletes nothing, lists no pages and knows no referrers API."""

from collections.abc import Callable

import pytest

from ferryman.reference import keep_tag
from tests.e2e.support import several, tiny
from tests.support.ferryman import Ferryman
from tests.support.images import Image, Index, digest_at, push, tags_of
from tests.support.processes import RegistryServer
from tests.support.referrers import list_tag, refer, referrer, signature
from tests.support.zuul_registry import ZuulRegistry

ONE, TWO, THREE = tiny("one"), tiny("two"), tiny("three")
WHOLE = several("whole", "linux/amd64", "linux/arm64")


class Place:
    """An upstream, and a Ferryman that mirrors it there."""

    def __init__(self, ferryman: Ferryman, upstream: RegistryServer, target: ZuulRegistry, name: str) -> None:
        self.ferryman, self.upstream, self.target, self.name = ferryman, upstream, target, name
        source, repository = f"{upstream.host}/acme/app", f"{target.host}/{name}"
        ferryman.items.write_text(
            f"items: [{{source: {source}, target: {repository}, platforms: all, referrers: true}}]"
        )

    def publish(self, tag: str, what: Image | Index) -> None:
        push(self.upstream.url, "acme/app", tag, what)
        done = self.ferryman.run("sync")
        assert done.code == 0, done.err

    def names(self, tag: str) -> str:
        return digest_at(self.target.url, self.name, tag)

    def tags(self) -> set[str]:
        """zuul-registry lists digests as well."""
        return {tag for tag in tags_of(self.target.url, self.name) if not tag.startswith("sha256:")}


@pytest.fixture
def place(
    request: pytest.FixtureRequest, install: Callable[..., Ferryman], upstream: RegistryServer, zuul: ZuulRegistry
) -> Place:
    user, password = zuul.login
    ferryman = install(FERRYMAN_TRANSPORT="direct", TARGET_USER=user, TARGET_PASSWORD=password)
    return Place(ferryman, upstream, zuul, f"{request.node.name.replace('_', '-')}/app")


def test_signatures_and_referrers_go_along(place: Place) -> None:
    tag, made = signature(WHOLE.images[0])
    push(place.upstream.url, "acme/app", tag, made)
    refer(place.upstream.url, "acme/app", WHOLE, referrer(WHOLE, b"what is in it"))

    place.publish("1", WHOLE)

    assert place.tags() == {"1", tag, list_tag(WHOLE)}
    assert (place.names("1"), place.names(tag)) == (WHOLE.digest, made.digest)
    assert place.names(list_tag(WHOLE)) == digest_at(place.upstream.url, "acme/app", list_tag(WHOLE))
    assert place.ferryman.run("verify", "--deep").code == 0


def test_back_and_forth(place: Place) -> None:
    run = place.ferryman.run
    for what in (ONE, TWO):
        place.publish("latest", what)
    assert place.tags() == {"latest", keep_tag(ONE.digest)}

    assert run("rollback", "app:latest").code == 0
    assert place.names("latest") == ONE.digest
    place.publish("latest", THREE)
    assert place.names("latest") == ONE.digest

    assert run("release", "app:latest").code == 0
    assert run("sync").code == 0
    assert place.names("latest") == THREE.digest


def test_what_was_lost_is_found_and_mirrored_again(place: Place) -> None:
    lost = tiny("lost")
    place.publish("1", lost)
    place.publish("2", ONE)
    place.target.lose_tag(place.name, "2")
    place.target.lose_blob(place.name, next(iter(lost.blobs)))

    done = place.ferryman.run("verify", "--deep", "--repair", "--json")

    assert {each["tag"]: each["finding"] for each in done.json} == {"1": "incomplete", "2": "missing"}
    assert place.ferryman.run("sync").code == 0
    assert place.ferryman.run("verify", "--deep").code == 0
    assert place.names("2") == ONE.digest


def test_a_tag_that_it_does_not_move_is_found(place: Place) -> None:
    """It keeps a digest for each media type, and answers with the index: docs/limits.md."""
    place.publish("1", WHOLE)

    place.publish("1", ONE)

    assert place.names("1") == WHOLE.digest
    [found] = place.ferryman.run("verify", "--json").json
    assert (found["finding"], found["expected_digest"], found["found_digest"]) == ("changed", ONE.digest, WHOLE.digest)
