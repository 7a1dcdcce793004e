"""A second real registry for tests, of other make than distribution: zuul-registry.

Against distribution it wants a token for every request; knows no DELETE, no mounts, no pages and no referrers API; has
one store of blobs for all repositories; lists what was pushed by digest among the tags; and keeps a digest for each
media type of a tag, of which it prefers an index to an image.
"""

import shutil
import sys
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.plain_http import LOGIN, ask
from tests.support.processes import Process, RegistryServer, Server, free_port
from tests.support.sources import CHECKOUT


class ZuulRegistry(Server):
    """A zuul-registry that keeps its blobs under `folder`, and lets in whom `login` names."""

    login = LOGIN

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "config.yml"
        config.write_text(_config(self.port, self.url, folder / "data"))
        self._process = Process(
            [sys.executable, "-m", "tests.support.zuul_program", "-c", str(config)],
            log=folder / "log", ready=self._answers, env={"PYTHONPATH": str(CHECKOUT)},
        )  # fmt: skip

    def _answers(self) -> bool:
        try:
            ask(f"{self.url}/v2/").close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def lose_tag(self, name: str, tag: str) -> None:
        (self._data / f"repos/{name}/manifests/{tag}").unlink()

    def lose_manifest(self, name: str, digest: str) -> None:
        self.lose_blob(name, digest)

    def lose_blob(self, name: str, digest: str) -> None:
        """From every repository: they share it."""
        self.data_of(digest).unlink()

    def lose_repository(self, name: str) -> None:
        """Its tags; the blobs belong to all repositories."""
        shutil.rmtree(self._data / f"repos/{name}")

    def lose_everything(self) -> None:
        if self._data.exists():  # since the first push
            shutil.rmtree(self._data)

    def data_of(self, digest: str) -> Path:
        """The file of a blob or manifest."""
        return self._data / f"blobs/{digest}/data"

    @property
    def _data(self) -> Path:
        return self.folder / "data/_local"


Registry = RegistryServer | ZuulRegistry
on_both_registries = pytest.mark.parametrize("target_registry", ["distribution", "zuul"], indirect=True)


def login_of(registry: Registry, host: str | None = None) -> Mapping[str, tuple[str, str]]:
    """What a client needs to push to it, at `host` if that is a proxy in front of it."""
    return {host or registry.host: registry.login} if registry.login else {}


@contextmanager
def overwritten(registry: Registry, digest: str, change: Callable[[bytes], bytes]) -> Iterator[None]:
    """Within it, the file of a blob or manifest holds something else. All repositories, and all tests, share the file:
    a registry that has it does not take it again."""
    data = registry.data_of(digest)
    before = data.read_bytes()
    data.write_bytes(change(before))
    try:
        yield
    finally:
        data.write_bytes(before)


def _config(port: int, url: str, data: Path) -> str:
    name, password = LOGIN
    return (
        "registry:\n"
        f"  address: 127.0.0.1\n  port: {port}\n  public-url: {url}\n  secret: unused\n"
        f"  users: [{{name: {name}, pass: {password}, access: write}}]\n"
        f"  storage: {{driver: filesystem, root: {data}}}\n"
    )
