"""Docker's and Podman's login files, read as those tools read them.

Sources: docker/cli `cli/config/credentials`; containers-auth.json(5).
"""

import asyncio
import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ferryman import log
from ferryman.clock import Clock
from ferryman.reference import DOCKER_HUB
from ferryman.registry.credential import Credential
from ferryman.registry.helper import HelperMissing, ask_helper

HUB_KEY = "https://index.docker.io/v1/"  # what Docker files its own registry's login under
_HUB_NAMES = frozenset({"index.docker.io", "registry-1.docker.io"})
_SCHEME = re.compile(r"https?://")
_TOKEN_USER = "<token>"  # noqa: S105  (the name by which helpers say that the secret is an identity token)
_HELPER_ANSWERS = timedelta(seconds=60)  # how long a helper's answer is used


@dataclass(frozen=True, slots=True)
class LoginFile:
    """One such document. Its `auths` are kept as they are: only what is looked up has to be right."""

    name: str  # as it is called in an error
    auths: Mapping[str, Mapping[str, Any]] = field(repr=False)  # by host, or host/namespace…
    helpers: Mapping[str, str]  # by host
    store: str | None

    @classmethod
    def parse(cls, text: str, *, name: str) -> "LoginFile":
        """Raises ValueError, with a sentence that quotes nothing of the text."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError(f"{name} is no JSON") from None  # json's own error carries the text
        if not isinstance(document, dict):
            raise ValueError(f"{name} is no JSON object")  # noqa: TRY004  (a mistake in a file, not in a call)
        auths = {key: entry for key, entry in _mapping(document, "auths").items() if isinstance(entry, dict)}
        helpers = {
            host_of(key): name for key, name in _mapping(document, "credHelpers").items() if isinstance(name, str)
        }
        store = document.get("credsStore")
        # Docker's own spelling goes last: it wins over every other one of the same host.
        spelt = sorted(auths, key=lambda key: key == HUB_KEY)
        return cls(
            name, {host_of(key): auths[key] for key in spelt}, helpers, store if isinstance(store, str) else None
        )

    def credential(self, host: str, repository: str) -> Credential | None:
        """What the file itself holds; the longest of Podman's `host/namespace/repository` that fits."""
        for key in _narrowing(host, repository):
            entry = self.auths.get(key)
            if entry is not None and (credential := self._decode(key, entry)) is not None:
                return credential
        return None

    def _decode(self, key: str, entry: Mapping[str, Any]) -> Credential | None:
        username, password = entry.get("username"), entry.get("password")
        packed, identity = entry.get("auth"), entry.get("identitytoken")
        if isinstance(packed, str) and packed:
            try:
                username, _, password = base64.b64decode(packed).decode().partition(":")
            except ValueError:
                raise ValueError(f"{self.name}: `auth` of {key} is not base64 of user:password") from None
            password = password.rstrip("\0")
        if isinstance(identity, str) and identity:
            return Credential(str(username or _TOKEN_USER), identity, is_identity_token=True)
        if isinstance(username, str) and isinstance(password, str) and username:
            return Credential(username, password)
        return None


def host_of(key: str) -> str:
    """The host, or Podman's host/namespace, that a key means: `https://host/v1/` is `host`."""
    bare = _SCHEME.sub("", key)
    host, _, path = bare.partition("/")
    # With a scheme or Docker's own path it is a URL; a host with a path but neither is Podman's.
    path = "" if bare != key or path.rstrip("/") in {"v1", "v2"} else path.strip("/")
    host = DOCKER_HUB if host.lower() in _HUB_NAMES else host.lower()
    return f"{host}/{path}" if path else host


class DockerConfig:
    """Every login file that the environment names, read anew when it changes; and the helpers they name."""

    def __init__(self, *, environment: Mapping[str, str], clock: Clock) -> None:
        self._environment = environment
        self._clock = clock
        self._read: dict[Path, tuple[tuple[int, ...], LoginFile]] = {}
        self._answers: dict[tuple[str, str], tuple[datetime, Credential | None]] = {}
        self._asking: dict[str, asyncio.Lock] = {}
        self._missing: set[str] = set()

    async def find(self, host: str, repository: str = "") -> Credential | None:
        """The login for a host, or for one repository of it. Raises ValueError where a file or a helper fails."""
        for file in await asyncio.to_thread(lambda: list(self._files())):
            credential = await self._from_helpers(file, host) or file.credential(host, repository)
            if credential is not None:
                return credential
        return None

    def _files(self) -> Iterator[LoginFile]:
        """The documents in Docker's and Podman's order; those that there are."""
        environment = self._environment
        if inline := environment.get("DOCKER_AUTH_CONFIG"):
            yield LoginFile.parse(inline, name="DOCKER_AUTH_CONFIG")
        folder = environment.get("DOCKER_CONFIG") or str(Path(environment.get("HOME") or "~").expanduser() / ".docker")
        for path in filter(None, (environment.get("REGISTRY_AUTH_FILE"), str(Path(folder) / "config.json"))):
            file = self._load(Path(path))
            if file is not None:
                yield file

    def _load(self, path: Path) -> LoginFile | None:
        try:
            status = path.stat()
            stamp = status.st_mtime_ns, status.st_size, status.st_ino
            known = self._read.get(path)
            if known is None or known[0] != stamp:
                known = self._read[path] = stamp, LoginFile.parse(path.read_text(encoding="utf-8"), name=str(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror}") from error
        return known[1]

    async def _from_helpers(self, file: LoginFile, host: str) -> Credential | None:
        """Ask the host's own helper, or else the one for all hosts; Docker does without that one, too."""
        own = file.helpers.get(host)
        helper = own or file.store
        if helper is None:
            return None
        try:
            return await self._ask(helper, HUB_KEY if host == DOCKER_HUB else host)
        except HelperMissing as error:
            if own is not None:
                raise ValueError(f"{file.name} names {error} for {host}") from error
            if helper not in self._missing:
                self._missing.add(helper)
                log.get().warning("no logins from a helper", reason=f"{file.name} names {error}")
            return None

    async def _ask(self, helper: str, server: str) -> Credential | None:
        async with self._asking.setdefault(server, asyncio.Lock()):
            known = self._answers.get((helper, server))
            if known is None or known[0] <= self._clock.now():
                answer = await ask_helper(helper, server, environment=self._environment)
                credential = answer and Credential(*answer, is_identity_token=answer[0] == _TOKEN_USER)
                known = self._answers[helper, server] = self._clock.now() + _HELPER_ANSWERS, credential
            return known[1]


def _mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _narrowing(host: str, repository: str) -> Iterator[str]:
    """host/a/b, host/a, host."""
    key = f"{host}/{repository}" if repository else host
    while key != host:
        yield key
        key = key.rpartition("/")[0]
    yield host
