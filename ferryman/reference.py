"""References to images: registry, repository, tag and digest, parsed once into values.

Grammar: distribution specification, "Pull" (`<name>`, `<reference>`), and Docker's reference package.
"""

import re
from dataclasses import dataclass

HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?")
NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_REFERRERS_TAG = re.compile(r"sha256-([0-9a-f]{64})(?:\.(?:sig|att|sbom))?")
_KEEP_TAG = re.compile(r"ferryman-keep-[0-9a-f]{32}")

DOCKER_HUB = "docker.io"
_HUB_SITE = "hub.docker.com"
# /_/nginx, /r/bitnami/redis/tags, /layers/bitnami/redis/7/images/…, /repository/docker/me/app
_HUB_PAGE = re.compile(
    r"hub\.docker\.com/(?:_/([^/?#]+)|(?:r|layers|repository/docker)/([^/?#]+/[^/?#]+))", re.IGNORECASE
)
_SCHEME = re.compile(r"^https?://", re.IGNORECASE)
_LONGEST_NAME = 255
_HIGHEST_PORT = 65535
_HUB_ALIASES = frozenset({"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})


def is_tag(text: str) -> bool:
    """Whether `text` is a valid tag. Registries are not trusted: tags end up in URLs, paths and tables."""
    return TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Whether `text` is a well-formed digest."""
    return DIGEST.fullmatch(text) is not None


def subject_of(tag: str) -> str | None:
    """The digest of the manifest that a cosign tag (`sha256-….sig`) or a referrers tag is about; None: another tag."""
    found = _REFERRERS_TAG.fullmatch(tag)
    return f"sha256:{found[1]}" if found else None


def referrers_tag(digest: str) -> str:
    """The referrers tag of a manifest, for registries without the referrers API ("Referrers Tag Schema")."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm}-{encoded[:64]}"


def keep_tag(digest: str) -> str:
    """The tag that holds a digest at a target after its own tag was overwritten."""
    return f"ferryman-keep-{digest.partition(':')[2][:32]}"


def is_keep_tag(tag: str) -> bool:
    """Whether Ferryman made the tag to hold a digest: it is nobody's image, and nobody's to mirror."""
    return _KEEP_TAG.fullmatch(tag) is not None


def parse_registry(text: str) -> str:
    """Parse a registry host: lower case, and docker.io for every name of Docker Hub.

    Raises ValueError, with a sentence that says what was expected.
    """
    port = text.rpartition(":")[2] if ":" in text else ""
    if not HOST.fullmatch(text) or (port.isdecimal() and int(port) > _HIGHEST_PORT):
        raise ValueError(f"{text!r} is not a registry host: expected host or host:port")
    registry = text.lower()
    return DOCKER_HUB if registry in _HUB_ALIASES else registry


def meant_by_hub_page(text: str) -> str | None:
    """The repository of a hub.docker.com page whose address was copied; None for any other text."""
    address = _SCHEME.sub("", text)
    page = _HUB_PAGE.match(address)
    if page:
        return f"{DOCKER_HUB}/{page[1] or page[2]}"
    return f"{DOCKER_HUB}/namespace/image" if address.partition("/")[0].lower() == _HUB_SITE else None


@dataclass(frozen=True, slots=True, order=True)
class Repository:
    """A repository at a registry, such as `quay.io/coreos/flannel`."""

    registry: str  # host, or host:port, as users write it: docker.io, not registry-1.docker.io
    name: str  # namespace/image: library/nginx

    @classmethod
    def parse(cls, text: str) -> "Repository":
        """Parse `registry/namespace/image`; `docker.io/nginx` is `docker.io/library/nginx`.

        Raises ValueError, with a sentence that says what was expected.
        """
        if meant := meant_by_hub_page(text):
            raise ValueError(f"{text!r} is a page of Docker Hub's web site: expected {meant}")
        registry, slash, name = text.partition("/")
        if not slash or not ("." in registry or ":" in registry or registry == "localhost"):
            raise ValueError(f"{text!r} names no registry: expected registry/namespace/image, such as docker.io/{text}")
        registry = parse_registry(registry)
        if registry == DOCKER_HUB and "/" not in name:
            name = f"library/{name}"
        if len(name) > _LONGEST_NAME or not NAME.fullmatch(name):
            hint = " (repository names are lower case)" if name != name.lower() else ""
            raise ValueError(f"{name!r} is not a repository name: expected namespace/image{hint}")
        return cls(registry, name)

    @property
    def image(self) -> str:
        """The last path component."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def namespace(self) -> str:
        """Everything before the last path component; may be empty."""
        return self.name.rpartition("/")[0]

    def tagged(self, tag: str) -> "Reference":
        return Reference(self, tag=tag)

    def pinned(self, digest: str) -> "Reference":
        return Reference(self, digest=digest)

    def __str__(self) -> str:
        return f"{self.registry}/{self.name}"


@dataclass(frozen=True, slots=True)
class Reference:
    """A manifest in a repository, by tag, by digest, or by both (then the digest counts)."""

    repository: Repository
    tag: str | None = None
    digest: str | None = None

    @property
    def selector(self) -> str:
        """What follows `/manifests/` in a URL: the digest if there is one, else the tag."""
        chosen = self.digest or self.tag
        if chosen is None:
            raise ValueError(f"{self.repository} was given neither tag nor digest")
        return chosen

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"
