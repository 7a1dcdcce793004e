"""Docker Engine API: pull, push, tag, inspect, remove images, measure disk usage. The only user of aiodocker.

Each pull and push has its own client: closing it makes the engine stop, and a hundred stalled pulls cannot use up
the connections of the control calls.
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
from ferryman.transports.engine.progress_stream import Layers, SilenceLimits, StreamSilent, Watchdog

_NEWEST_API = (1, 51)  # the newest that this code was written for; newer engines still support it
_UNPINNED = "auto"
_ANSWER_SECONDS = 60  # for a control call
_MEASURE_SECONDS = 600  # for `system/df`, which reads every layer, and for deleting, which unlinks them
_NO_CONNECTION = 900  # aiodocker's own status

_HINTS = {
    errno.ENOENT: "start the engine, mount its socket into this container, or set DOCKER_HOST to where it is",
    errno.EACCES: "this user may not use the socket: add it to the socket's group",
    errno.EPERM: "this user may not use the socket: add it to the socket's group",
    errno.ECONNREFUSED: "nothing listens there: start the engine, or set DOCKER_HOST to where it is",
}
# What a proxy in front of the engine's socket has to allow; docs/troubleshooting.md says the same.
_REQUIRED_CALLS = (
    "Ferryman needs GET /_ping, /version, /info, /system/df and /images/…/json, "
    "POST /images/create, /images/…/tag and /images/…/push, and DELETE /images/…"
)
_PATH_BY_ACTION = {"pull": "POST /images/create", "push": "POST /images/…/push"}
_FORBIDDEN = frozenset({401, 403, 405, 407})
# The answers of proxies; a registry's refusal says more.
_PLAIN_REFUSALS = frozenset({"", "forbidden", "method not allowed", "access denied", "unauthorized"})
_OTHER_HINT = "start it, or set DOCKER_HOST to where it is"


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """Identifies an engine. `id` stays the same as long as its data does."""

    id: str
    version: str
    storage: str
    native: Platform


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image in the engine."""

    id: str
    platform: Platform
    has_variant: bool  # whether the config names one: those of many ARM images do not
    size: int  # uncompressed
    tags: frozenset[str]  # as the engine writes them: nginx:1.25
    digests: frozenset[str]  # nginx@sha256:…


@dataclass(frozen=True, slots=True)
class ImageUsage:
    """One image's disk usage in bytes."""

    id: str
    size: int
    shared: int  # the part of `size` in layers that other images have too
    tagged: bool


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """Disk usage of the engine's images in bytes. `layers` counts a shared layer once."""

    layers: int
    images: tuple[ImageUsage, ...]


@dataclass(frozen=True, slots=True)
class PushResult:
    """The result of a push."""

    digest: str
    moved: int  # bytes


class DockerEngine:
    """A connected engine. Raises subclasses of TransferError, never aiodocker's exceptions."""

    def __init__(self, *, address: EngineAddress, silence_limits: SilenceLimits) -> None:
        self._address = address
        self._tls = address.tls()
        self._watchdog = Watchdog(silence_limits, ping=self._ping)
        self._version = _UNPINNED
        self._shared: SharedClient | None = None

    async def connect(self) -> EngineIdentity:
        """Connect, and agree on an API version. Calls in progress are not disturbed. Raises EngineUnavailable."""
        try:
            async with control_client(self._address, self._tls, _UNPINNED) as docker:
                version, info = await self._query_unversioned(docker, "version"), await self._info(docker)
            identity, pinned = _identity(version, info), _pinned(version)
        except Denied as error:
            raise EngineUnavailable(str(error)) from error
        except (KeyError, TypeError, ValueError, Unreachable) as error:
            raise EngineUnavailable(f"{self._address.url} is not a Docker Engine") from error
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
        """Pull `operation.reference`. Returns the number of bytes transferred."""
        layers = Layers("pull", sink)
        async with self._streaming_call(operation) as docker:
            wanted = str(platform) if platform else None
            stream = docker.images.pull(operation.reference, auth=credential, platform=wanted, stream=True)
            # The stream is a generator, whatever its annotation says.
            await self._watchdog.follow(stream, layers, answer_timeout=operation.timeout)  # type: ignore[arg-type]
        if not layers.ended:
            raise await self._ended_early(operation)
        return layers.moved

    async def push(
        self, operation: EngineOperation, *, credential: Mapping[str, str] | None, sink: ProgressSink
    ) -> PushResult:
        """Push the local tag `operation.reference`."""
        layers = Layers("push", sink)
        repository, tag = split_tag(operation.reference)
        async with self._streaming_call(operation) as docker:
            stream = docker.images.push(repository, tag=tag, auth=credential, stream=True)
            await self._watchdog.follow(stream, layers, answer_timeout=operation.timeout)  # type: ignore[arg-type]
        if layers.pushed_partial_index:
            raise Unsupported(
                f"the engine has only a part of {operation.reference} and pushed one platform in its place: "
                "name the platforms in items.yml"
            )
        if not layers.ended or layers.digest is None:
            raise await self._ended_early(operation)
        return PushResult(layers.digest, layers.moved)

    async def inspect(self, reference: str) -> LocalImage | None:
        """The image that `reference` names in the engine; None: there is none."""
        try:
            found = await self._query(f"images/{reference}/json")
        except ImageGone:
            return None
        variant = found.get("Variant") or ""
        return LocalImage(
            id=found["Id"],
            platform=Platform.of(found["Os"], found["Architecture"], variant),
            has_variant=bool(variant),
            size=found.get("Size") or 0,
            tags=_tags(found.get("RepoTags")),
            digests=_names(found.get("RepoDigests")),
        )

    async def tag(self, image_id: str, reference: str) -> None:
        """Let the local tag `reference` name the image. Raises ImageGone."""
        repository, tag = split_tag(reference)
        async with self._control_call(reference, path="POST /images/…/tag") as docker:
            await docker.images.tag(image_id, repository, tag=tag)

    async def remove(self, reference: str) -> bool:
        """Remove one reference, and the layers that nothing else needs. False: a container uses the image.

        Never forced: that would remove the user's own tags too.
        """
        async with self._control_call(reference, path="DELETE /images/…", seconds=_MEASURE_SECONDS) as docker:
            try:
                await docker.images.delete(reference)
            except DockerError as error:
                if error.status == 409:  # noqa: PLR2004 - Conflict
                    return False
                if error.status != 404:  # noqa: PLR2004 - Not Found: removed already
                    raise
        return True

    async def disk_usage(self) -> DiskUsage:
        """Measure the disk usage; slow on an engine with many images."""
        found = await self._query("system/df", seconds=_MEASURE_SECONDS)
        images = tuple(
            ImageUsage(
                id=image["Id"],
                size=image["Size"],
                shared=max(image.get("SharedSize") or 0, 0),  # -1: not counted
                tagged=bool(_tags(image.get("RepoTags"))),
            )
            for image in found.get("Images") or ()
        )
        return DiskUsage(layers=found.get("LayersSize") or 0, images=images)

    async def aclose(self) -> None:
        """Close the control connections once the calls in progress have ended."""
        shared, self._shared = self._shared, None
        if shared is not None:
            await shared.retire()

    async def _query(self, path: str, *, seconds: float = _ANSWER_SECONDS) -> dict[str, Any]:
        async with self._control_call(path, path=f"GET /{path}", seconds=seconds) as docker:
            # aiodocker has no public method for `system/df`.
            answer: dict[str, Any] = await docker._query_json(path)  # noqa: SLF001
        return answer

    @asynccontextmanager
    async def _control_call(
        self, subject: str, *, path: str, seconds: float = _ANSWER_SECONDS
    ) -> AsyncIterator[Docker]:
        """The client for one call. After a timeout, a ping decides whether the engine is only slow, or unavailable."""
        if self._shared is None:
            raise EngineUnavailable(f"the connection to the Docker Engine at {self._address.url} is closed")
        with self._errors_translated(path, subject):
            try:
                async with asyncio.timeout(seconds), self._shared.call() as docker:
                    yield docker
            except TimeoutError as error:
                await self._ping()
                raise Unreachable(
                    f"the Docker Engine at {self._address.url} is slow: {subject} took more than {seconds:.0f} s"
                ) from error

    async def _info(self, docker: Docker) -> Mapping[str, Any]:
        """`/info`. A proxy in front of the socket may forbid it: then the address identifies the engine."""
        try:
            found: Mapping[str, Any] = await self._query_unversioned(docker, "info")
        except Denied as error:
            log.get().debug("engine_id_missing", message="the engine does not report its ID", error=str(error))
            return {"ID": f"at {self._address.url}", "Driver": "/info is forbidden"}
        return found

    async def _ping(self) -> None:
        """Raises EngineUnavailable if a new connection gets no answer. A refusal counts as an answer."""
        try:
            async with control_client(self._address, self._tls, _UNPINNED) as docker:
                await self._query_unversioned(docker, "_ping")
        except EngineUnavailable:
            raise
        except TransferError as error:
            log.get().debug("engine_ping_refused", message="the engine refuses a ping", error=str(error))

    async def _query_unversioned(self, docker: Docker, path: str) -> Any:
        """Send a GET without an API version, which every engine answers in its own."""
        with self._errors_translated(f"GET /{path}", path):
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await docker._query_json(path, versioned_api=False)  # noqa: SLF001

    @asynccontextmanager
    async def _streaming_call(self, operation: EngineOperation) -> AsyncIterator[Docker]:
        try:
            with self._errors_translated(_PATH_BY_ACTION[operation.action], operation=operation):
                async with streaming_client(self._address, self._tls, self._version) as docker:
                    with suppress(aiohttp.ClientPayloadError):  # cut off: the terminal message is missing
                        yield docker
        except StreamSilent as error:
            raise Unreachable(
                f"the engine reports no progress of its {operation.action} of {operation.reference}: "
                "is the registry stalled?",
                registry=operation.registry,
            ) from error

    async def _ended_early(self, operation: EngineOperation) -> TransferError:
        """The error for a stream without its terminal message: aiodocker treats a lost connection as success."""
        await self._ping()
        return Unreachable(
            f"the engine ended its {operation.action} of {operation.reference} without a result",
            registry=operation.registry,
        )

    @contextmanager
    def _errors_translated(
        self, path: str, subject: str = "", *, operation: EngineOperation | None = None
    ) -> Iterator[None]:
        """Translate all exceptions of aiodocker and aiohttp."""
        try:
            yield
        except DockerError as error:
            if error.status == _NO_CONNECTION:
                raise self._no_engine(error) from error
            if _is_forbidden(error, operation):
                raise Denied(
                    f"{self._address.url} forbids {path} ({error.status} {quoted(error.message)}); {_REQUIRED_CALLS}"
                ) from error
            raise _failure(error, subject, operation) from error
        except TimeoutError as error:
            raise EngineUnavailable(f"the Docker Engine at {self._address.url} does not answer") from error
        except (aiohttp.ClientError, OSError, ValueError, KeyError) as error:
            why = quoted(str(error))
            raise EngineUnavailable(f"the Docker Engine at {self._address.url} broke off: {why}") from error

    def _no_engine(self, error: BaseException) -> EngineUnavailable:
        if (problem := self._address.socket_problem()) is not None:
            return EngineUnavailable(f"no Docker Engine at {self._address.url}: {problem}")
        cause = error.__context__
        refused = cause.os_error if isinstance(cause, aiohttp.ClientConnectorError) else None
        why = (refused.strerror if refused else None) or str(cause or error)
        hint = _HINTS.get(refused.errno or 0, _OTHER_HINT) if refused else _OTHER_HINT
        return EngineUnavailable(f"no Docker Engine at {self._address.url}: {quoted(why)}; {hint}")


def split_tag(reference: str) -> tuple[str, str]:
    """Split `host:5000/a/b:1.2` into `host:5000/a/b` and `1.2`."""
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
    """Without `<none>:<none>`, which engines before 1.43 list for an untagged image."""
    return frozenset(name for name in references or () if "<none>" not in name)


def _tags(references: list[str] | None) -> frozenset[str]:
    """Without `name@sha256:…`: the containerd image store lists images pulled by digest among the tags."""
    return frozenset(name for name in _names(references) if "@" not in name)


def _is_forbidden(error: DockerError, operation: EngineOperation | None) -> bool:
    """Whether a proxy or an engine plugin forbids the call itself; no registry was involved."""
    if error.status not in _FORBIDDEN:
        return False
    message = error.message.strip().lower()
    return (
        operation is None or message.startswith(("<", "authorization denied by plugin")) or message in _PLAIN_REFUSALS
    )


def _failure(error: DockerError, subject: str, operation: EngineOperation | None) -> TransferError:
    if operation is not None:
        return classify(error.message, operation)
    if "no such image" in error.message.lower():
        return ImageGone(f"the engine no longer has {subject}")
    if "no space left" in error.message.lower():
        return DiskFull(f"the engine's disk is full: {quoted(error.message)}")
    return Unreachable(f"the Docker Engine refused {subject}: {quoted(error.message)}")
