"""Selects the lister for a registry."""

from ferryman.discovery.base import TagLister
from ferryman.discovery.listers.dockerhub import DockerHubLister
from ferryman.discovery.listers.google import GoogleLister
from ferryman.discovery.listers.oci import OciLister
from ferryman.discovery.listers.quay import QuayLister
from ferryman.kinds import ListerName
from ferryman.reference import DOCKER_HUB
from ferryman.registry.client import RegistryClient

_GOOGLE = ("gcr.io", "registry.k8s.io")
_GOOGLE_DOMAINS = (".gcr.io", ".pkg.dev")


def lister_for(registry: str, *, client: RegistryClient, override: ListerName | None = None) -> TagLister:
    """The lister for a registry host, unless items.yml names another one (`lister: oci`)."""
    match override or _usual(registry):
        case "google":
            return GoogleLister(client)
        case "dockerhub":
            return DockerHubLister(client)
        case "quay":
            return QuayLister(client)
        case "oci":
            return OciLister(client)


def _usual(registry: str) -> ListerName:
    if registry in _GOOGLE or registry.endswith(_GOOGLE_DOMAINS):
        return "google"
    if registry == DOCKER_HUB:
        return "dockerhub"
    return "quay" if registry == "quay.io" else "oci"
