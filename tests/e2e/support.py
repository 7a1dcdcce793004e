"""What the end-to-end tests push, and how they look at what arrived: with no code of Ferryman's."""

import base64
import contextlib
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from tests.support.images import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Image,
    Index,
    attestation,
    image,
    index,
    layer,
)
from tests.support.processes import Engine, RegistryServer

USER = "porter"
PASSWORD = "Xyzzy-7f3e-plugh"  # stands nowhere but where a user has put it
_ACCEPT = f"{OCI_INDEX}, {DOCKER_LIST}, {OCI_MANIFEST}, {DOCKER_MANIFEST}"
_HELPER_TAG = "_ferryman"


def tiny(seed: str, *, platform: str = "linux/amd64", created: str = "2026-01-01T00:00:00Z") -> Image:
    """An image of a few hundred bytes, another one for another seed."""
    return image([layer({"seed": f"{seed} {platform}".encode()})], platform=platform, created=created)


def several(seed: str, *platforms: str, attested: bool = False) -> Index:
    """An index of tiny images, with an attestation of the first one if asked for."""
    children: list[Image] = [tiny(seed, platform=platform) for platform in platforms]
    if not attested:
        return index(children)
    statement, annotations = attestation(children[0])
    return index([*children, statement], annotations={len(children): annotations})


def held(server: RegistryServer) -> dict[str, str]:
    """Every tag of a registry, as `repository:tag`, and the digest that it names."""
    found = {}
    for name in _ask(server, "GET", "/v2/_catalog?n=1000")[1]["repositories"]:
        with _half_pushed_apart():
            for tag in _ask(server, "GET", f"/v2/{name}/tags/list")[1]["tags"] or []:
                with _half_pushed_apart():
                    found[f"{name}:{tag}"] = _ask(server, "HEAD", f"/v2/{name}/manifests/{tag}")[0]
    return {name: digest for name, digest in found.items() if not name.endswith(f":{_HELPER_TAG}")}


def manifest(server: RegistryServer, name: str, selector: str) -> Any:
    """A manifest as the registry has it."""
    return _ask(server, "GET", f"/v2/{name}/manifests/{selector}")[1]


def platforms_of(document: Any) -> set[str]:
    """The platforms that an index lists."""
    described = [child["platform"] for child in document["manifests"]]
    return {f"{platform['os']}/{platform['architecture']}" for platform in described}


def docker(engine: Engine, *arguments: str) -> str:
    """What Docker's own command line prints."""
    command = ["/usr/bin/docker", "--host", engine.host, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {arguments}: {done.stderr}"
    return done.stdout


def names_in(engine: Engine, server: RegistryServer) -> list[str]:
    """What the engine holds under names of this registry."""
    listed = docker(engine, "images", "--all", "--digests", "--format", "{{.Repository}}:{{.Tag}}@{{.Digest}}")
    return [name for name in listed.splitlines() if name.startswith(f"{server.host}/")]


def layers(*made: Image) -> str:
    """A pattern for the requests for these images' layers: discovery asks for manifests and configs only."""
    return (
        f"^GET .*/blobs/({'|'.join(layer['digest'] for each in made for layer in json.loads(each.manifest)['layers'])})"
    )


@contextlib.contextmanager
def _half_pushed_apart() -> Iterator[None]:
    """A registry lists repositories and tags a moment before it has them: 404, and 500 for a link not yet written."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        if error.code not in {404, 500}:
            raise


def _ask(server: RegistryServer, method: str, path: str) -> tuple[str, Any]:
    request = urllib.request.Request(f"{server.url}{path}", method=method, headers={"Accept": _ACCEPT})
    if server.login is not None:
        request.add_header("Authorization", f"Basic {base64.b64encode(':'.join(server.login).encode()).decode()}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        body = answer.read()
        return answer.headers.get("Docker-Content-Digest", ""), json.loads(body) if body else None
