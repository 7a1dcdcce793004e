"""Three real registries beside a real engine, to be filled for the documents' examples.

The examples name registry.k8s.io, quay.io and registry.example.com; `registries:` sends these names to loopback.
"""

import contextlib
import random
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support import images
from tests.support.ferryman import PROGRAM, Ferryman
from tests.support.processes import RegistryServer
from tests.support.starting import Starter

LOGIN = ("me", "secret")
MIB = 1 << 20
_BOTH = ("linux/amd64", "linux/arm64")
MISTAKEN = """\
defaults:
  target: registry.example.com/mirror/
items:
  - source: registry.k8s.io/pause
    limt: 2
  - source: quay.io/Coreos/flannel
"""


@dataclass(frozen=True)
class Stage:
    """Where the examples run."""

    ferryman: Ferryman
    registries: Mapping[str, RegistryServer]  # by the name that the examples use

    def push(self, source: str, tags: Mapping[str, str], *, sizes: list[int]) -> None:
        """Push an image for each of these tags, made at these times; all but the last layer are every tag's."""
        registry, _, name = source.partition("/")
        for tag, created in tags.items():
            images.push(self.registries[registry].url, name, tag, release(name, tag, created, sizes=sizes))

    def lose(self, target: str, tag: str) -> None:
        """Somebody deletes a tag."""
        registry, _, name = target.partition("/")
        data = self.registries[registry].folder / "data/docker/registry/v2"
        shutil.rmtree(data / f"repositories/{name}/_manifests/tags/{tag}")

    def write_items(self, shown: str, **limits: str) -> None:
        """Make what a document shows the items.yml, and send its registries' names to loopback."""
        entries = {
            name: {"endpoint": server.url, "lister": "oci", **({"bandwidth": limits[name]} if name in limits else {})}
            for name, server in self.registries.items()
        }
        self.ferryman.items.write_text(f"{shown}\n{yaml.safe_dump({'registries': entries})}")


@contextlib.contextmanager
def stage(folder: Path, *, engine: str, starter: Starter | None = None) -> Iterator[Stage]:
    """The registries; they stop when the examples end. `engine`: what DOCKER_HOST names. `starter`: see `Ferryman`."""
    with contextlib.ExitStack() as stack:
        registries = {}
        for name, login in (("registry.k8s.io", None), ("quay.io", None), ("registry.example.com", LOGIN)):
            registries[name] = RegistryServer(folder / name, login=login)
            stack.callback(registries[name].stop)
            registries[name].start()
        user, password = LOGIN
        environment = {
            "PATH": f"{Path(PROGRAM).parent}:/usr/bin:/bin",
            "TARGET_USER": user,
            "TARGET_PASSWORD": password,
        }
        ferryman = Ferryman(
            folder / "ferryman", engine=engine, environment=environment, starter=starter, measured=False
        )
        stack.callback(ferryman.close)
        (ferryman.folder / "config.json").write_text("{}")
        (ferryman.folder / "typo.yml").write_text(MISTAKEN)
        yield Stage(ferryman, registries)


def release(name: str, tag: str, created: str, *, sizes: list[int]) -> images.Index:
    """An index of two platforms over layers that do not compress; all but the last layer are every tag's."""
    *shared, own = sizes
    return images.index([
        images.image(
            [*(layer(f"{name} {platform} {number}", size) for number, size in enumerate(shared)),
             layer(f"{name} {platform} {tag}", own)],
            platform=platform, created=created, compresslevel=1,
        )
        for platform in _BOTH
    ])  # fmt: skip


def layer(seed: str, size: int) -> bytes:
    """The same bytes for the same seed, so that digests in the documents stay."""
    return images.layer({"opt/data": random.Random(seed).randbytes(size)})
