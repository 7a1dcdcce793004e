"""Reads the requests that a registry answered from its access log."""

import re
from collections import Counter
from dataclasses import dataclass
from urllib.parse import unquote

from tests.support.processes import RegistryServer

_LINE = re.compile(r'"([A-Z]+) (/v2/\S*) HTTP/[0-9.]+" ([0-9]{3}) ')
_PUT = re.compile(r"PUT /v2/\S+/blobs/uploads/\S*[?&]digest=([^&\s]+)\S*")


@dataclass(frozen=True, slots=True)
class Request:
    """One request that was answered."""

    line: str  # "GET /v2/a/manifests/1"
    status: int

    @property
    def discovers(self) -> bool:
        """Whether it requests a list of tags, or a tag's digest."""
        return "/tags/list" in self.line or (self.line.startswith("HEAD ") and "/manifests/" in self.line)


class AccessLog:
    """The requests that a registry answers after this object is created."""

    def __init__(self, server: RegistryServer) -> None:
        self._path = server.folder / "log"
        self._begin = self._path.stat().st_size

    def observe(self) -> list[Request]:
        with self._path.open("rb") as log:
            log.seek(self._begin)
            text = log.read().decode(errors="replace")
        return [Request(f"{method} {path}", int(status)) for method, path, status in _LINE.findall(text)]


def uploaded(requests: list[Request]) -> Counter[str]:
    """How often each blob was uploaded, by digest. Mounts do not count."""
    puts = (_PUT.fullmatch(request.line) for request in requests if request.status == 201)
    return Counter(unquote(put[1]) for put in puts if put)
