"""Copies one tag through the engine: select images, pull, tag, push."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from ferryman import log
from ferryman.errors import Denied, NoSuchPlatform, NotFound, TransferError, Unreachable, Unsupported, WrongContent
from ferryman.manifests.index import Part, config_digest, has_zstd_layers, join
from ferryman.manifests.manifest import Manifest
from ferryman.platforms import Platform, Platforms
from ferryman.reference import Reference
from ferryman.registry.client import RegistryClient
from ferryman.transports.base import Copied, Overwriting, ProgressSink
from ferryman.transports.engine.docker_engine import DockerEngine, EngineIdentity, LocalImage, PushResult
from ferryman.transports.engine.errors import EngineOperation, ImageGone, NotUnpacked
from ferryman.transports.engine.image_cache import ImageCache
from ferryman.transports.engine.logins import EngineLogins
from ferryman.transports.engine.platform_selection import SelectedImage, choose
from ferryman.transports.engine.target_tags import TargetTags
from ferryman.transports.locks import KeyedLocks
from ferryman.transports.tagging import put_tag

# The images of an index are pushed under this tag in turn; the registry keeps each by its digest when the tag moves on.
HELPER_TAG = "_ferryman"


@dataclass(frozen=True, slots=True)
class EngineCopyContext:
    """Shared by all copies through one engine."""

    engine: DockerEngine
    identity: EngineIdentity
    cache: ImageCache
    tags: TargetTags
    logins: EngineLogins
    pulls: KeyedLocks


class DockerCopy:
    """Copies one tag. Made for one `run`."""

    def __init__(
        self,
        context: EngineCopyContext,
        *,
        registry: RegistryClient,
        source: Reference,
        target: Reference,
        wanted: Platforms,
        sink: ProgressSink,
        overwriting: Overwriting | None,
    ) -> None:
        self._context = context
        self._registry = registry
        self._source = source
        self._target = target
        self._wanted = wanted
        self._sink = sink
        self._overwriting = overwriting
        self._step = ""  # which of several images is being copied: the prefix `2/3 ` of ProgressSink
        self._moved = 0
        self._reused = 0

    async def run(self) -> Copied:
        """Copy. The caller has to verify the result by a HEAD at the target. Raises TransferError."""
        choices = await choose(self._registry, self._source, self._wanted, self._context.identity.native)
        if len(choices) == 1:
            _, pushed = await self._copy_image(choices[0], self._target)
            digest = pushed.digest
        else:
            index = await self._push_index_parts(choices)
            digest = (await put_tag(self._registry, self._target, index, self._overwriting)).digest
        return Copied(digest, digest == self._source.digest, self._moved, self._reused)

    async def _push_index_parts(self, choices: Sequence[SelectedImage]) -> Manifest:
        """Push every image, and make an index of them; if only one is left, return its own manifest."""
        parts: list[tuple[Manifest, Part]] = []
        for number, choice in enumerate(choices, start=1):
            self._step = f"{number}/{len(choices)} "
            try:
                parts.append(await self._push_part(choice))
            except NoSuchPlatform as error:  # upstream's index is wrong about this one
                log.get().warning(
                    "platform_left_out", message="platform left out", platform=str(choice.platform), reason=str(error)
                )
        if not parts:
            raise NoSuchPlatform(
                f"{self._source}: none of its images matches the platform in its index",
                registry=self._source.repository.registry,
            )
        return parts[0][0] if len(parts) == 1 else join([part for _, part in parts])

    async def _push_part(self, choice: SelectedImage) -> tuple[Manifest, Part]:
        image, pushed = await self._copy_image(choice, self._target.repository.tagged(HELPER_TAG))
        manifest = await self._registry.get_manifest(self._target.repository.pinned(pushed.digest))
        # The classic image store names an image by its config, containerd's by its manifest.
        if image.id not in {config_digest(manifest), manifest.digest}:
            raise WrongContent(
                f"another image was pushed under {self._target.repository}:{HELPER_TAG} at the same moment",
                registry=self._target.repository.registry,
            )
        return manifest, Part(manifest.digest, manifest.media_type, len(manifest.body), choice.described)

    async def _copy_image(self, choice: SelectedImage, target: Reference) -> tuple[LocalImage, PushResult]:
        async with self._context.cache.protected(self._engine_reference(choice.reference)):
            try:
                return await self._pull_and_push(choice, target)
            except ImageGone:  # the engine was pruned in between: try once more
                return await self._pull_and_push(choice, target)

    async def _pull_and_push(self, choice: SelectedImage, target: Reference) -> tuple[LocalImage, PushResult]:
        image = await self._ensure_pulled(choice)
        self._check_platform(choice, image)
        name = self._engine_reference(target)
        async with (
            self._context.tags.set_temporarily(image, name),
            self._context.logins.login_for(target.repository) as login,
        ):
            operation = self._operation("push", name, target.repository.registry)
            if self._overwriting is not None and target == self._target:
                await self._overwriting(None)
            try:
                pushed = await self._context.engine.push(operation, credential=login, sink=self._report)
            except (Unreachable, Denied, NotFound, Unsupported) as error:
                pushed = await self._existing_if_same(target, image, error)
        self._moved += pushed.moved
        self._reused += max(image.size - pushed.moved, 0)
        return image, pushed

    async def _existing_if_same(self, target: Reference, image: LocalImage, error: TransferError) -> PushResult:
        """The tag's manifest if it is this image already: an immutable tag refuses even that. Else raises `error`."""
        if not isinstance(error, ImageGone):
            with suppress(TransferError):
                manifest = await self._registry.get_manifest(target)
                if image.id in {config_digest(manifest), manifest.digest}:
                    return PushResult(manifest.digest, 0)
        raise error

    async def _ensure_pulled(self, choice: SelectedImage) -> LocalImage:
        """The image from the engine's cache, or pulled. Two tags of one image are pulled once."""
        context, name = self._context, self._engine_reference(choice.reference)
        async with context.pulls.holding(name):
            image = await context.engine.inspect(name)
            if image is None:
                async with context.cache.recording_pull(name):
                    self._moved += await self._pull(choice, name)
                image = await context.engine.inspect(name)
        if image is None:
            raise ImageGone(f"{name} was removed from the engine right after it was pulled")
        await context.cache.touch(name, image.id)
        return image

    async def _pull(self, choice: SelectedImage, name: str) -> int:
        try:
            async with self._context.logins.login_for(choice.reference.repository) as login:
                return await self._context.engine.pull(
                    self._operation("pull", name, choice.reference.repository.registry),
                    platform=choice.platform or _single_platform(self._wanted),
                    credential=login,
                    sink=self._report,
                )
        except NotUnpacked as error:
            raise await self._explain_unpack_error(choice, error) from error

    def _report(self, part: str, done: int, total: int | None) -> None:
        self._sink(f"{self._step}{part}", done, total)

    def _operation(self, action: Literal["pull", "push"], name: str, registry: str) -> EngineOperation:
        return EngineOperation(action, name, registry, timeout=self._registry.timeout(registry))

    async def _explain_unpack_error(self, choice: SelectedImage, error: NotUnpacked) -> TransferError:
        """If the image has zstd layers, an old engine cannot unpack them: say so instead."""
        if not has_zstd_layers(await self._registry.get_manifest(choice.reference)):
            return error
        return Unsupported(
            f"{choice.reference} has zstd layers, which this Docker Engine "
            f"({self._context.identity.version}) cannot unpack: a newer engine or the direct transport can carry it",
            registry=choice.reference.repository.registry,
        )

    def _check_platform(self, choice: SelectedImage, image: LocalImage) -> None:
        """Raises NoSuchPlatform for the wrong platform: indexes may be wrong, and a plain manifest is not checked."""
        if choice.platform is not None:
            wanted = _matches(image, choice.platform)
        else:
            wanted = self._wanted.keyword == "native" or self._wanted.admits(
                image.platform, self._context.identity.native
            )
        if not wanted:
            raise NoSuchPlatform(
                f"{choice.reference} is for {image.platform}, not for {choice.platform or self._wanted}",
                registry=choice.reference.repository.registry,
            )

    def _engine_reference(self, reference: Reference) -> str:
        """The reference for the engine: with the endpoint's host instead of the registry's, if one is configured."""
        repository = reference.repository
        separator = "@" if reference.digest else ":"
        host = self._registry.host_for_engine(repository.registry)
        return f"{host}/{repository.name}{separator}{reference.selector}"


def _single_platform(wanted: Platforms) -> Platform | None:
    """The platform, if exactly one is wanted: without it, some engines refuse a manifest of a foreign platform."""
    return wanted.listed[0] if len(wanted.listed) == 1 else None


def _matches(image: LocalImage, platform: Platform) -> bool:
    if (image.platform.os, image.platform.architecture) != (platform.os, platform.architecture):
        return False
    return image.platform.variant == platform.variant or not image.has_variant
