"""Three real registries and a real engine, filled for the documents' examples.

The examples name registry.k8s.io, quay.io and registry.example.com; `registries:` sends these names to loopback.
"""

import contextlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support import images
from tests.support.ferryman import PROGRAM, Ferryman
from tests.support.processes import Engine, RegistryServer

LOGIN = ("me", "secret")
MIB = 1 << 20
_ENGINE = "tcp://127.0.0.1:2375"
_BOTH = ("linux/amd64", "linux/arm64")
PAUSE = {
    "3.7": "2022-03-29T21:15:08Z",
    "3.8": "2022-06-20T10:02:51Z",
    "3.9": "2022-10-18T08:40:00Z",
    "3.10": "2024-05-06T17:20:31Z",
    "3.10.1": "2024-05-28T11:07:19Z",
    "latest": "2025-02-11T09:12:45Z",
}
FLANNEL = {
    "v0.13.0": "2020-10-27T10:00:12Z",
    "v0.14.0": "2021-04-21T13:05:27Z",
    "v0.15.0": "2021-10-05T14:06:33Z",
    "v0.15.1": "2021-11-08T09:14:02Z",
    "v0.15.1-s390x": "2021-11-08T09:14:40Z",
    "v0.15.1-windowsservercore": "2021-11-08T09:15:21Z",
}
APISERVER = {f"v1.{number}.0": f"2026-0{number - 30}-15T08:20:00Z" for number in range(32, 37)}
ETCD = {f"3.{number}.0-0": f"2026-0{number - 2}-03T16:45:00Z" for number in range(5, 9)}
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

    def write_items(self, shown: str, **limits: str) -> None:
        """Make what a document shows the items.yml, and send its registries' names to loopback."""
        entries = {
            name: {"endpoint": server.url, "lister": "oci", **({"bandwidth": limits[name]} if name in limits else {})}
            for name, server in self.registries.items()
        }
        self.ferryman.items.write_text(f"{shown}\n{yaml.safe_dump({'registries': entries})}")


@contextlib.contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """The servers, filled; they stop when the examples end."""
    with contextlib.ExitStack() as stack:
        engine = Engine(folder / "engine", options=(f"--host={_ENGINE}", "--tls=false"))
        stack.callback(engine.remove)
        engine.start()
        registries = {}
        for name, login in (("registry.k8s.io", None), ("quay.io", None), ("registry.example.com", LOGIN)):
            registries[name] = RegistryServer(folder / name, login=login)
            stack.callback(registries[name].stop)
            registries[name].start()
        fill(registries["registry.k8s.io"].url, registries["quay.io"].url)
        user, password = LOGIN
        environment = {
            "PATH": f"{Path(PROGRAM).parent}:/usr/bin:/bin",
            "TARGET_USER": user,
            "TARGET_PASSWORD": password,
        }
        ferryman = Ferryman(folder / "ferryman", engine=_ENGINE, environment=environment)
        stack.callback(ferryman.close)
        (ferryman.folder / "config.json").write_text("{}")
        (ferryman.folder / "typo.yml").write_text(MISTAKEN)
        yield Stage(ferryman, registries)


def fill(kubernetes: str, quay: str) -> None:
    """Push the examples' images to the registries at these URLs."""
    for tag, created in PAUSE.items():
        images.push(kubernetes, "pause", tag, release("pause", tag, created, sizes=[MIB // 2, MIB // 4]))
    for tag, created in FLANNEL.items():
        images.push(quay, "coreos/flannel", tag, release("flannel", tag, created, sizes=[2 * MIB, MIB]))
    for tag, created in APISERVER.items():
        sizes = [2 * MIB, MIB, 2 * MIB]
        images.push(kubernetes, "kube-apiserver", tag, release("kube-apiserver", tag, created, sizes=sizes))
    for tag, created in ETCD.items():
        images.push(kubernetes, "etcd", tag, release("etcd", tag, created, sizes=[2 * MIB, MIB]))


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
