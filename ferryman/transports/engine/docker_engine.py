"""One Docker Engine's images: pull, push, tag, inspect, delete, measure. The only aiodocker of the program.

Each pull and push has a client of its own: closing that is what makes the engine stop, and what keeps a
hundred stalled pulls from using up the connections of the control calls.
"""

import asyncio
import errno
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiodocker import Docker, DockerError

from ferryman import log
from ferryman.errors import Denied, DiskFull, EngineUnavailable, TransferError, Unreachable, Unsupported
from ferryman.platforms import Platform
from ferryman.registry.http.error_responses import quoted
from ferryman.transports.base import ProgressSink
from ferryman.transports.engine.address import EngineAddress
from ferryman.transports.engine.client import SharedClient, control_client, streaming_client
from ferryman.transports.engine.errors import EngineOperation, ImageGone, classify
from ferryman.transports.engine.progress_stream import Layers, SilenceLimits, Silent, Watchdog

_NEWEST_API = (1, 51)  # the newest that this code was written for; a newer engine still speaks it
_UNPINNED = "auto"
_ANSWER_SECONDS = 60  # for a control call
_MEASURE_SECONDS = 600  # `system/df` reads every layer; deleting unlinks them
_NO_CONNECTION = 900  # aiodocker's own status

_MENDS = {
    errno.ENOENT: "start the engine, mount its socket into this container, or set DOCKER_HOST to where it is",
    errno.EACCES: "this user may not use the socket: add it to the socket's group",
    errno.EPERM: "this user may not use the socket: add it to the socket's group",
    errno.ECONNREFUSED: "nothing listens there: start the engine, or set DOCKER_HOST to where it is",
}
# What a proxy before the engine's socket has to let through; docs/troubleshooting.md says the same.
_NEEDED = (
    "Ferryman needs GET /_ping, /version, /info, /system/df and /images/…/json, "
    "POST /images/create, /images/…/tag and /images/…/push, and DELETE /images/…"
)
_PATHS = {"pull": "POST /images/create", "push": "POST /images/…/push"}
_FORBIDDEN = frozenset({401, 403, 405, 407})
_BARE = frozenset({"", "forbidden", "method not allowed", "access denied", "unauthorized"})  # what proxies answer
_OTHER_MEND = "start it, or set DOCKER_HOST to where it is"


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """Which engine it is. `id` stays the same as long as its data does."""

    id: str
    version: str
    storage: str
    native: Platform


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image in the engine."""

    id: str
    platform: Platform
    tells_variant: bool  # many ARM images' configs have none
    size: int  # uncompressed
    tags: frozenset[str]  # as the engine writes them: nginx:1.25
    digests: frozenset[str]  # nginx@sha256:…


@dataclass(frozen=True, slots=True)
class Usage:
    """One image's part in the engine's disk."""

    id: str
    size: int
    shared: int  # of `size`, in layers that other images have too
    tagged: bool


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """What the engine's images take. `layers` counts a shared layer once."""

    layers: int
    images: tuple[Usage, ...]


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push left at the registry."""

    digest: str
    moved: int


class DockerEngine:
    """A connected engine. Raises TransferError's subclasses, and nothing of aiodocker's."""

    def __init__(self, *, address: EngineAddress, patience: SilenceLimits) -> None:
        self._address = address
        self._tls = address.tls()
        self._watchdog = Watchdog(patience, ping=self._ping)
        self._version = _UNPINNED
        self._shared: SharedClient | None = None

    async def connect(self) -> EngineIdentity:
        """Find the engine, agree on an API version, and tell which engine it is. Calls under way are left alone."""
        try:
            async with control_client(self._address, self._tls, _UNPINNED) as docker:
                version, info = await self._asked(docker, "version"), await self._info(docker)
            identity, pinned = _identity(version, info), _pinned(version)
        except Denied as error:
            raise EngineUnavailable(str(error)) from error
        except (KeyError, TypeError, ValueError, Unreachable) as error:
            raise EngineUnavailable(f"what answers at {self._address.url} is no Docker Engine") from error
        before, self._shared = self._shared, SharedClient(control_client(self._address, self._tls, pinned))
        self._version = pinned
        if before is not None:
            await before.retire()
        return identity

    async def pull(
        self,
        operation: EngineOperation,
        *,
        platform: Platform | None,
        credential: Mapping[str, str] | None,
        sink: ProgressSink,
    ) -> int:
        """Pull `operation.reference`; the bytes that it took."""
        layers = Layers("pull", sink)
        async with self._working(operation) as docker:
            wanted = str(platform) if platform else None
            stream = docker.images.pull(operation.reference, auth=credential, platform=wanted, stream=True)
            # It is a generator.
            await self._watchdog.follow(stream, layers, answer=operation.timeout)  # type: ignore[arg-type]
        if not layers.ended:
            raise await self._cut_short(operation)
        return layers.moved

    async def push(
        self, operation: EngineOperation, *, credential: Mapping[str, str] | None, sink: ProgressSink
    ) -> Pushed:
        """Push the local tag `operation.reference`."""
        layers = Layers("push", sink)
        repository, tag = split_tag(operation.reference)
        async with self._working(operation) as docker:
            stream = docker.images.push(repository, tag=tag, auth=credential, stream=True)
            await self._watchdog.follow(stream, layers, answer=operation.timeout)  # type: ignore[arg-type]
        if layers.pushed_a_part:
            raise Unsupported(
                f"the engine has only a part of {operation.reference} and pushed one platform in its place: "
                "name the platforms in items.yml"
            )
        if not layers.ended or layers.digest is None:
            raise await self._cut_short(operation)
        return Pushed(layers.digest, layers.moved)

    async def inspect(self, reference: str) -> LocalImage | None:
        """The image that `reference` names in the engine, if it has one."""
        try:
            found = await self._ask(f"images/{reference}/json")
        except ImageGone:
            return None
        variant = found.get("Variant") or ""
        return LocalImage(
            id=found["Id"],
            platform=Platform.of(found["Os"], found["Architecture"], variant),
            tells_variant=bool(variant),
            size=found.get("Size") or 0,
            tags=_tags(found.get("RepoTags")),
            digests=_names(found.get("RepoDigests")),
        )

    async def tag(self, image_id: str, reference: str) -> None:
        """Let the local tag `reference` name the image. Raises ImageGone."""
        repository, tag = split_tag(reference)
        async with self._calling(reference, path="POST /images/…/tag") as docker:
            await docker.images.tag(image_id, repository, tag=tag)

    async def remove(self, reference: str) -> bool:
        """Remove one reference, and the layers that nothing else needs. False: a container uses the image.

        Never forced: that would take the user's own tags along.
        """
        async with self._calling(reference, path="DELETE /images/…", seconds=_MEASURE_SECONDS) as docker:
            try:
                await docker.images.delete(reference)
            except DockerError as error:
                if error.status == 409:  # noqa: PLR2004 - Conflict
                    return False
                if error.status != 404:  # noqa: PLR2004 - Not Found: gone already
                    raise
        return True

    async def disk_usage(self) -> DiskUsage:
        """Measure; slow on an engine with many images."""
        found = await self._ask("system/df", seconds=_MEASURE_SECONDS)
        images = tuple(
            Usage(
                id=image["Id"],
                size=image["Size"],
                shared=max(image.get("SharedSize") or 0, 0),  # -1: not counted
                tagged=bool(_tags(image.get("RepoTags"))),
            )
            for image in found.get("Images") or ()
        )
        return DiskUsage(layers=found.get("LayersSize") or 0, images=images)

    async def aclose(self) -> None:
        """Close the control connections when the calls that are under way have ended."""
        shared, self._shared = self._shared, None
        if shared is not None:
            await shared.retire()

    async def _ask(self, path: str, *, seconds: float = _ANSWER_SECONDS) -> dict[str, Any]:
        async with self._calling(path, path=f"GET /{path}", seconds=seconds) as docker:
            # `system/df` has no public form.
            answer: dict[str, Any] = await docker._query_json(path)  # noqa: SLF001
        return answer

    @asynccontextmanager
    async def _calling(self, subject: str, *, path: str, seconds: float = _ANSWER_SECONDS) -> AsyncIterator[Docker]:
        """The client for one call. Whether an engine that does not answer it in time is lost, a ping decides."""
        if self._shared is None:
            raise EngineUnavailable(f"the connection to the Docker Engine at {self._address.url} is closed")
        with self._reached(path, subject):
            try:
                async with asyncio.timeout(seconds), self._shared.calling() as docker:
                    yield docker
            except TimeoutError as error:
                await self._ping()
                raise Unreachable(
                    f"the Docker Engine at {self._address.url} is slow: {subject} took more than {seconds:.0f} s"
                ) from error

    async def _info(self, docker: Docker) -> Mapping[str, Any]:
        """A proxy before the engine's socket may forbid it: then the engine is known by its address."""
        try:
            found: Mapping[str, Any] = await self._asked(docker, "info")
        except Denied as error:
            log.get().debug("an engine that does not tell its ID", error=str(error))
            return {"ID": f"at {self._address.url}", "Driver": "/info is forbidden"}
        return found

    async def _ping(self) -> None:
        """Raises EngineUnavailable where a new connection gets no answer; a refusal is one."""
        try:
            async with control_client(self._address, self._tls, _UNPINNED) as docker:
                await self._asked(docker, "_ping")
        except EngineUnavailable:
            raise
        except TransferError as error:
            log.get().debug("the engine refuses a ping", error=str(error))

    async def _asked(self, docker: Docker, path: str) -> Any:
        """What any version of the engine answers; in its own version, for none is agreed on."""
        with self._reached(f"GET /{path}", path):
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await docker._query_json(path, versioned_api=False)  # noqa: SLF001

    @asynccontextmanager
    async def _working(self, operation: EngineOperation) -> AsyncIterator[Docker]:
        try:
            with self._reached(_PATHS[operation.doing], operation=operation):
                async with streaming_client(self._address, self._tls, self._version) as docker:
                    with suppress(aiohttp.ClientPayloadError):  # cut off: the terminal message did not come
                        yield docker
        except Silent as error:
            raise Unreachable(
                f"the engine is silent about its {operation.doing} of {operation.reference}: is the registry stalled?",
                registry=operation.registry,
            ) from error

    async def _cut_short(self, operation: EngineOperation) -> TransferError:
        """What a stream means that ended without its terminal message: aiodocker takes a lost engine for success."""
        await self._ping()
        return Unreachable(
            f"the engine ended its {operation.doing} of {operation.reference} without a word",
            registry=operation.registry,
        )

    @contextmanager
    def _reached(self, path: str, subject: str = "", *, operation: EngineOperation | None = None) -> Iterator[None]:
        """Translate everything that aiodocker and aiohttp raise."""
        try:
            yield
        except DockerError as error:
            if error.status == _NO_CONNECTION:
                raise self._absent(error) from error
            if _is_forbidden(error, operation):
                raise Denied(
                    f"{self._address.url} forbids {path} ({error.status} {quoted(error.message)}); {_NEEDED}"
                ) from error
            raise _failure(error, subject, operation) from error
        except TimeoutError as error:
            raise EngineUnavailable(f"the Docker Engine at {self._address.url} does not answer") from error
        except (aiohttp.ClientError, OSError, ValueError, KeyError) as error:
            why = quoted(str(error))
            raise EngineUnavailable(f"the Docker Engine at {self._address.url} broke off: {why}") from error

    def _absent(self, error: BaseException) -> EngineUnavailable:
        if (what := self._address.what_is_no_socket()) is not None:
            return EngineUnavailable(f"no Docker Engine at {self._address.url}: {what}")
        cause = error.__context__
        refused = cause.os_error if isinstance(cause, aiohttp.ClientConnectorError) else None
        why = (refused.strerror if refused else None) or str(cause or error)
        mend = _MENDS.get(refused.errno or 0, _OTHER_MEND) if refused else _OTHER_MEND
        return EngineUnavailable(f"no Docker Engine at {self._address.url}: {quoted(why)}; {mend}")


def split_tag(reference: str) -> tuple[str, str]:
    """`host:5000/a/b:1.2` is `host:5000/a/b` and `1.2`."""
    repository, _, tag = reference.rpartition(":")
    return repository, tag


def _pinned(version: Mapping[str, Any]) -> str:
    major, minor = min(_NEWEST_API, tuple(int(part) for part in version["ApiVersion"].split(".")))
    return f"v{major}.{minor}"


def _identity(version: Mapping[str, Any], info: Mapping[str, Any]) -> EngineIdentity:
    return EngineIdentity(
        id=info.get("ID") or info["Name"],
        version=version["Version"],
        storage=info["Driver"],
        native=Platform.of(version["Os"], version["Arch"]),
    )


def _names(references: list[str] | None) -> frozenset[str]:
    """Engines before 1.43 write `<none>:<none>` where there is none."""
    return frozenset(name for name in references or () if "<none>" not in name)


def _tags(references: list[str] | None) -> frozenset[str]:
    """Without `name@sha256:…`: the containerd image store lists what was pulled by digest among the tags."""
    return frozenset(name for name in _names(references) if "@" not in name)


def _is_forbidden(error: DockerError, operation: EngineOperation | None) -> bool:
    """Whether the call itself is not allowed, by a proxy or a plugin of the engine's; no registry was asked."""
    if error.status not in _FORBIDDEN:
        return False
    said = error.message.strip().lower()
    return operation is None or said.startswith(("<", "authorization denied by plugin")) or said in _BARE


def _failure(error: DockerError, subject: str, operation: EngineOperation | None) -> TransferError:
    if operation is not None:
        return classify(error.message, operation)
    if "no such image" in error.message.lower():
        return ImageGone(f"the engine no longer has {subject}")
    if "no space left" in error.message.lower():
        return DiskFull(f"the engine's disk is full: {quoted(error.message)}")
    return Unreachable(f"the Docker Engine refused {subject}: {quoted(error.message)}")
