"""The lister of each registry."""

from typing import cast

import pytest

from ferryman.discovery.listers.choose import lister_for
from ferryman.discovery.listers.dockerhub import DockerHubLister
from ferryman.discovery.listers.google import GoogleLister
from ferryman.discovery.listers.oci import OciLister
from ferryman.discovery.listers.quay import QuayLister
from ferryman.kinds import ListerName
from ferryman.registry.client import RegistryClient

NOBODY = cast("RegistryClient", None)  # choosing asks nothing


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        ("gcr.io", GoogleLister), ("eu.gcr.io", GoogleLister), ("k8s.gcr.io", GoogleLister),
        ("registry.k8s.io", GoogleLister), ("europe-docker.pkg.dev", GoogleLister),
        ("docker.io", DockerHubLister), ("quay.io", QuayLister),
        ("ghcr.io", OciLister), ("mcr.microsoft.com", OciLister), ("127.0.0.1:5000", OciLister),
        ("notgcr.io", OciLister), ("gcr.io.example.com", OciLister), ("quay.example.com", OciLister),
    ],
)  # fmt: skip
def test_a_host_has_its_lister(registry: str, expected: type) -> None:
    assert type(lister_for(registry, client=NOBODY)) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("google", GoogleLister), ("dockerhub", DockerHubLister), ("quay", QuayLister), ("oci", OciLister)],
)
def test_items_yml_has_the_last_word(name: ListerName, expected: type) -> None:
    assert type(lister_for("docker.io", client=NOBODY, override=name)) is expected
