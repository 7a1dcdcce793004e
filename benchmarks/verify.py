"""Is a mirror right? Every tag of the source has to name the same digest at the target."""

import http.client
import json
from collections.abc import Iterable, Mapping

from benchmarks.job import mirrored
from tests.support.images import OCI_INDEX, OCI_MANIFEST
from tests.support.processes import RegistryServer


def named(server: RegistryServer, repositories: Iterable[str]) -> dict[str, str]:
    """What every tag of these repositories names: the digest, by `repository:tag` without the repository's prefix."""
    connection = http.client.HTTPConnection(server.host, timeout=60)  # one, because there are thousands of tags
    found = {}
    for repository in repositories:
        status, _, body = _ask(connection, "GET", f"/v2/{repository}/tags/list")
        for tag in json.loads(body)["tags"] if status == http.HTTPStatus.OK else ():
            _, headers, _ = _ask(connection, "HEAD", f"/v2/{repository}/manifests/{tag}")
            found[f"{repository.rpartition('/')[2]}:{tag}"] = headers.get("Docker-Content-Digest", "nothing")
    connection.close()
    return found


def verify(expected: Mapping[str, str], target: RegistryServer, repositories: Iterable[str]) -> None:
    """Raise RuntimeError unless the target's tags name what is expected. `repositories`: their names at the source."""
    found = named(target, map(mirrored, repositories))
    wrong = [tag for tag, digest in expected.items() if found.get(tag) != digest]
    if wrong:
        missing = sum(tag not in found for tag in wrong)
        raise RuntimeError(f"{len(wrong)} of {len(expected)} tags are wrong ({missing} missing), such as {wrong[0]}")


def _ask(connection: http.client.HTTPConnection, method: str, path: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection.request(method, path, headers={"Accept": f"{OCI_INDEX}, {OCI_MANIFEST}"})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()
