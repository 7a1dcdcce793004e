"""Login files of Docker and Podman (config.json, auth.json), read as those tools read them.

Sources: docker/cli `cli/config/credentials`; containers-auth.json(5).
"""

import asyncio
import base64
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ferryman import log
from ferryman.clock import Clock
from ferryman.reference import DOCKER_HUB
from ferryman.registry.auth.credential import Credential
from ferryman.registry.auth.credential_helper import HelperFailed, ask_helper

_T = TypeVar("_T")
HUB_KEY = "https://index.docker.io/v1/"  # the key of Docker Hub in login files
_HUB_NAMES = frozenset({"index.docker.io", "registry-1.docker.io"})
_SCHEME = re.compile(r"https?://")
_TOKEN_USER = "<token>"  # noqa: S105  (this user name means that the secret is an identity token)
_FRESH = 1.0  # seconds; a thread that looks at the files takes longer than all else before a request
_HELPER_ANSWERS = 60.0  # seconds; how long an answer of a helper is cached


@dataclass(frozen=True, slots=True)
class LoginFile:
    """One login file. A malformed entry is an error only when that entry is needed."""

    name: str  # for error messages
    logins: Mapping[str, Credential]  # by host, or host/namespace…
    helpers: Mapping[str, str]  # by host
    store: str | None
    unusable: Mapping[tuple[str, str], str]  # by section and host: the error, which quotes nothing but the key

    @classmethod
    def parse(cls, text: str, *, name: str) -> "LoginFile":
        """Parse a file; empty text is an empty document. Raises ValueError, with a sentence that quotes no content."""
        try:
            document = json.loads(text.strip() or "{}") or {}
        except (ValueError, RecursionError):
            raise ValueError(f"{name} is no JSON") from None  # the cause would carry the text
        if not isinstance(document, dict):
            raise ValueError(f"{name} is no JSON object")  # noqa: TRY004  (a mistake in a file, not in a call)
        unusable: dict[tuple[str, str], str] = {}
        logins = _section(document, "auths", _login, unusable)
        helpers = _section(document, "credHelpers", _helper, unusable)
        store = document.get("credsStore")
        if not isinstance(store, str | None):
            unusable["credsStore", ""] = "`credsStore` is not the name of a helper"
        return cls(name, logins, helpers, store if isinstance(store, str) else None, unusable)

    def credential(self, host: str, repository: str) -> Credential | None:
        """The credential in the file itself; the most specific of Podman's keys `host/namespace/repository`."""
        for key in _narrowing(host, repository):
            self._check("auths", key)
            if key in self.logins:
                return self.logins[key]
        return None

    def helper(self, host: str) -> str | None:
        """The helper of the host; '': none, not even `credsStore`. Raises ValueError for an invalid name."""
        self._check("credHelpers", host)
        return self.helpers.get(host)

    def _check(self, section: str, key: str) -> None:
        if (section, key) in self.unusable:
            raise ValueError(f"{self.name}: {self.unusable[section, key]}")


def host_of(key: str) -> str:
    """The host, or Podman's host/namespace, of a key: `https://host/v1/` is `host`."""
    bare = _SCHEME.sub("", key)
    host, _, path = bare.partition("/")
    # A key with a scheme or Docker's path is a URL; any other path is Podman's namespace.
    path = "" if bare != key or path.rstrip("/") in {"v1", "v2"} else path.strip("/")
    host = DOCKER_HUB if host.lower() in _HUB_NAMES else host.lower()
    return f"{host}/{path}" if path else host


class DockerConfig:
    """All login files that the environment names, and their credential helpers. A change is seen within a second."""

    def __init__(self, *, environment: Mapping[str, str], clock: Clock, secrets: Collection[str] = frozenset()) -> None:
        """`secrets`: values that are removed from the environment of helpers."""
        self._environment = environment
        self._secrets = secrets
        self._clock = clock
        self._read: dict[Path, tuple[tuple[int, ...], LoginFile]] = {}
        self._present: tuple[float, list[LoginFile]] | None = None  # the files, and until when they are not looked at
        self._answers: dict[tuple[str, str], tuple[float, Credential | HelperFailed | None]] = {}
        self._asking: dict[str, asyncio.Lock] = {}
        self._warned: set[str] = set()

    async def find(self, host: str, repository: str = "") -> Credential | None:
        """The credential for a host, or for one repository of it. Raises ValueError if a file or a helper fails."""
        files = await self._present_files()
        for file in files:
            for reason in file.unusable.values():
                self._warn("cannot use a login", f"{file.name}: {reason}")
        for file in files:
            credential = await self._from_helpers(file, host) or file.credential(host, repository)
            if credential is not None:
                return credential
        return None

    async def _present_files(self) -> list[LoginFile]:
        now = self._clock.monotonic()
        if self._present is None or self._present[0] <= now:
            self._present = now + _FRESH, await asyncio.to_thread(lambda: list(self._files()))
        return self._present[1]

    def _files(self) -> Iterator[LoginFile]:
        """The existing files, in the order of Docker and Podman."""
        environment = self._environment
        readings: list[Callable[[], LoginFile | None]] = []
        if inline := environment.get("DOCKER_AUTH_CONFIG"):
            readings.append(lambda: LoginFile.parse(inline, name="DOCKER_AUTH_CONFIG"))
        if podmans := environment.get("REGISTRY_AUTH_FILE"):
            readings.append(lambda: self._load(Path(podmans), expected=True))
        readings.append(self._load_dockers)
        for read in readings:
            try:
                file = read()
            except ValueError as error:  # Docker warns too, and continues without it
                self._warn("logins cannot be read", str(error))
            else:
                if file is not None:
                    yield file

    def _load_dockers(self) -> LoginFile | None:
        environment = self._environment
        named = environment.get("DOCKER_CONFIG")
        place = Path(named) if named else Path(environment.get("HOME") or "~").expanduser() / ".docker"
        # Docker expects the folder; the path of the file is accepted too.
        return self._load(place if place.is_file() else place / "config.json", expected=bool(named))

    def _load(self, path: Path, *, expected: bool) -> LoginFile | None:
        try:
            status = path.stat()
            stamp = status.st_mtime_ns, status.st_size, status.st_ino
            known = self._read.get(path)
            if known is None or known[0] != stamp:
                known = self._read[path] = stamp, LoginFile.parse(path.read_text(encoding="utf-8"), name=str(path))
        except (FileNotFoundError, NotADirectoryError):
            if expected:
                self._warn("logins cannot be read", f"{path}, which the environment names, does not exist")
            return None
        except OSError as error:
            raise ValueError(f"{path} cannot be read by user {os.geteuid()}: {error.strerror}") from error
        return known[1]

    async def _from_helpers(self, file: LoginFile, host: str) -> Credential | None:
        """Ask the helper of the host, or `credsStore`; if that one fails, continue without it, as Docker does."""
        own = file.helper(host)
        helper = file.store if own is None else own
        if not helper:
            return None
        try:
            return await self._ask(helper, HUB_KEY if host == DOCKER_HUB else host)
        except HelperFailed as error:
            if own:
                raise ValueError(f"{file.name}: `credHelpers` of {host}: {error}") from error
            self._warn("no logins from a helper", f"{file.name}: `credsStore`: {error}")
            return None

    def _warn(self, message: str, reason: str) -> None:
        if reason not in self._warned:
            self._warned.add(reason)
            log.get().warning("docker_logins_unreadable", message=message, reason=reason)

    async def _ask(self, helper: str, server: str) -> Credential | None:
        """Raises HelperFailed. Failures are cached like answers, so that a hanging helper hangs once a minute only."""
        async with self._asking.setdefault(server, asyncio.Lock()):
            known = self._answers.get((helper, server))
            if known is None or known[0] <= self._clock.monotonic():
                answer = await self._answer(helper, server)
                known = self._answers[helper, server] = self._clock.monotonic() + _HELPER_ANSWERS, answer
            if isinstance(known[1], HelperFailed):
                raise HelperFailed(str(known[1]))  # a new one: raising it again would collect tracebacks
            return known[1]

    async def _answer(self, helper: str, server: str) -> Credential | HelperFailed | None:
        # Remove passwords of items.yml from the environment, whatever their variables are called.
        environment = {name: value for name, value in self._environment.items() if value not in self._secrets}
        try:
            answer = await ask_helper(helper, server, environment=environment)
        except HelperFailed as error:
            return error
        return answer and Credential(*answer, is_identity_token=answer[0] == _TOKEN_USER)


def _section(
    document: Mapping[str, Any],
    section: str,
    read: Callable[[Any], _T | None],
    unusable: dict[tuple[str, str], str],
) -> dict[str, _T]:
    """The entries of one section, by host; malformed ones go to `unusable`. Null counts as missing."""
    written = document.get(section) or {}
    if not isinstance(written, dict):
        unusable[section, ""] = f"`{section}` is no JSON object"
        return {}
    found: dict[str, _T] = {}
    # Docker's own key goes last: it takes precedence over other keys of the same host.
    for host, key in {host_of(key): key for key in sorted(written, key=lambda key: key == HUB_KEY)}.items():
        try:
            value = None if written[key] is None else read(written[key])
        except ValueError as error:
            unusable[section, host] = f"`{section}` of {key} {error}"
        else:
            if value is not None:
                found[host] = value
    return found


def _login(entry: Any) -> Credential | None:
    """The login in an entry; None for an empty one, as Docker leaves for helpers. Raises ValueError if malformed."""
    if not isinstance(entry, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004  (a mistake in a file, not in a call)
    username, password, packed, identity = (
        entry.get(key) or "" for key in ("username", "password", "auth", "identitytoken")
    )
    if not all(isinstance(value, str) for value in (username, password, packed, identity)):
        raise ValueError("holds something other than text")
    if packed:
        username, password = _unpacked(packed)
    if identity:
        return Credential(username or _TOKEN_USER, identity, is_identity_token=True)
    return Credential(username, password) if username and (packed or password) else None


def _unpacked(packed: str) -> tuple[str, str]:
    try:
        # Docker accepts line breaks, and no other deviation from base64.
        username, colon, password = base64.b64decode("".join(packed.split()), validate=True).decode().partition(":")
    except ValueError:
        username = colon = password = ""
    if not username or not colon:
        raise ValueError("has an `auth` that is not base64 of user:password")
    return username, password.rstrip("\0")


def _helper(name: Any) -> str:
    if not isinstance(name, str):
        raise ValueError("is not the name of a helper")  # noqa: TRY004  (a mistake in a file, not in a call)
    return name


def _narrowing(host: str, repository: str) -> Iterator[str]:
    """The keys from specific to general: host/a/b, host/a, host."""
    key = f"{host}/{repository}" if repository else host
    while key != host:
        yield key
        key = key.rpartition("/")[0]
    yield host
