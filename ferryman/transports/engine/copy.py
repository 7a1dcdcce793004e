"""One tag's way through the engine: choose, pull, tag, push."""

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
from ferryman.transports.base import Copied, ProgressSink
from ferryman.transports.engine.docker_engine import DockerEngine, EngineIdentity, LocalImage, Pushed
from ferryman.transports.engine.errors import EngineOperation, ImageGone, NotUnpacked
from ferryman.transports.engine.image_cache import ImageCache
from ferryman.transports.engine.logins import EngineLogins
from ferryman.transports.engine.platform_selection import SelectedImage, choose
from ferryman.transports.engine.target_tags import TargetTags
from ferryman.transports.locks import KeyedLocks
from ferryman.transports.tagging import put_tag

# Parts of an index are pushed under this tag, one after the other; a registry keeps them by digest when it moves on.
HELPER_TAG = "_ferryman"


@dataclass(frozen=True, slots=True)
class EngineCopyContext:
    """What all copies through one engine share."""

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
        workshop: EngineCopyContext,
        *,
        registry: RegistryClient,
        source: Reference,
        target: Reference,
        wanted: Platforms,
        sink: ProgressSink,
    ) -> None:
        self._workshop = workshop
        self._registry = registry
        self._source = source
        self._target = target
        self._wanted = wanted
        self._sink = sink
        self._step = ""  # which of several images is on its way, as ProgressSink tells it
        self._moved = 0
        self._reused = 0

    async def run(self) -> Copied:
        """Copy; whoever calls asks the target whether it has it. Raises TransferError."""
        choices = await choose(self._registry, self._source, self._wanted, self._workshop.identity.native)
        if len(choices) == 1:
            _, pushed = await self._ship(choices[0], self._target)
            digest = pushed.digest
        else:
            digest = (await put_tag(self._registry, self._target, await self._joined(choices))).digest
        return Copied(digest, digest == self._source.digest, self._moved, self._reused)

    async def _joined(self, choices: Sequence[SelectedImage]) -> Manifest:
        """Push every part, and make the index of them; of one part only, that part itself."""
        parts: list[tuple[Manifest, Part]] = []
        for number, choice in enumerate(choices, start=1):
            self._step = f"{number}/{len(choices)} "
            try:
                parts.append(await self._part(choice))
            except NoSuchPlatform as error:  # upstream's index lies about this one
                log.get().warning("platform left out", platform=str(choice.platform), reason=str(error))
        if not parts:
            raise NoSuchPlatform(
                f"{self._source}: none of its images is what its index says", registry=self._source.repository.registry
            )
        return parts[0][0] if len(parts) == 1 else join([part for _, part in parts])

    async def _part(self, choice: SelectedImage) -> tuple[Manifest, Part]:
        image, pushed = await self._ship(choice, self._target.repository.tagged(HELPER_TAG))
        manifest = await self._registry.get_manifest(self._target.repository.pinned(pushed.digest))
        # The classic image store names an image by its config, containerd's by its manifest.
        if image.id not in {config_digest(manifest), manifest.digest}:
            raise WrongContent(
                f"another image was pushed under {self._target.repository}:{HELPER_TAG} at the same moment",
                registry=self._target.repository.registry,
            )
        return manifest, Part(manifest.digest, manifest.media_type, len(manifest.body), choice.described)

    async def _ship(self, choice: SelectedImage, target: Reference) -> tuple[LocalImage, Pushed]:
        async with self._workshop.cache.holding(self._name(choice.reference)):
            try:
                return await self._pull_and_push(choice, target)
            except ImageGone:  # somebody pruned the engine in between
                return await self._pull_and_push(choice, target)

    async def _pull_and_push(self, choice: SelectedImage, target: Reference) -> tuple[LocalImage, Pushed]:
        image = await self._obtained(choice)
        self._demand_wanted(choice, image)
        name = self._name(target)
        async with (
            self._workshop.tags.borrowed(image, name),
            self._workshop.logins.shown(target.repository) as login,
        ):
            operation = self._errand("push", name, target.repository.registry)
            try:
                pushed = await self._workshop.engine.push(operation, credential=login, sink=self._tell)
            except (Unreachable, Denied, NotFound, Unsupported) as error:
                pushed = await self._named_already(target, image, error)
        self._moved += pushed.moved
        self._reused += max(image.size - pushed.moved, 0)
        return image, pushed

    async def _named_already(self, target: Reference, image: LocalImage, error: TransferError) -> Pushed:
        """What the tag names, if that is the image: an immutable tag refuses even that. Raises the push's error."""
        if not isinstance(error, ImageGone):
            with suppress(TransferError):
                manifest = await self._registry.get_manifest(target)
                if image.id in {config_digest(manifest), manifest.digest}:
                    return Pushed(manifest.digest, 0)
        raise error

    async def _obtained(self, choice: SelectedImage) -> LocalImage:
        """The image, out of the engine's cache or pulled. Two tags of one image are pulled once."""
        workshop, name = self._workshop, self._name(choice.reference)
        async with workshop.pulls.holding(name):
            image = await workshop.engine.inspect(name)
            if image is None:
                async with workshop.cache.pulling(name):
                    self._moved += await self._pull(choice, name)
                image = await workshop.engine.inspect(name)
        if image is None:
            raise ImageGone(f"{name} vanished from the engine right after it was pulled")
        await workshop.cache.used(name, image.id)
        return image

    async def _pull(self, choice: SelectedImage, name: str) -> int:
        try:
            async with self._workshop.logins.shown(choice.reference.repository) as login:
                return await self._workshop.engine.pull(
                    self._errand("pull", name, choice.reference.repository.registry),
                    platform=choice.platform or _only(self._wanted),
                    credential=login,
                    sink=self._tell,
                )
        except NotUnpacked as error:
            raise await self._explained(choice, error) from error

    def _tell(self, part: str, done: int, total: int | None) -> None:
        self._sink(f"{self._step}{part}", done, total)

    def _errand(self, doing: Literal["pull", "push"], name: str, registry: str) -> EngineOperation:
        return EngineOperation(doing, name, registry, timeout=self._registry.timeout(registry))

    async def _explained(self, choice: SelectedImage, error: NotUnpacked) -> TransferError:
        """A layer that the engine could not unpack may be packed in a way that it does not know."""
        if not has_zstd_layers(await self._registry.get_manifest(choice.reference)):
            return error
        return Unsupported(
            f"{choice.reference} has zstd layers, which this Docker Engine "
            f"({self._workshop.identity.version}) cannot unpack: a newer engine or the direct transport can carry it",
            registry=choice.reference.repository.registry,
        )

    def _demand_wanted(self, choice: SelectedImage, image: LocalImage) -> None:
        """What arrived is looked at: indexes lie, and an engine takes a single manifest for any platform."""
        if choice.platform is not None:
            wanted = _answers(image, choice.platform)
        else:
            wanted = self._wanted.keyword == "native" or self._wanted.admits(
                image.platform, self._workshop.identity.native
            )
        if not wanted:
            raise NoSuchPlatform(
                f"{choice.reference} is for {image.platform}, not for {choice.platform or self._wanted}",
                registry=choice.reference.repository.registry,
            )

    def _name(self, reference: Reference) -> str:
        """The reference as the engine is to use it: an endpoint's host stands in for the registry's."""
        repository = reference.repository
        separator = "@" if reference.digest else ":"
        host = self._registry.host_for_engine(repository.registry)
        return f"{host}/{repository.name}{separator}{reference.selector}"


def _only(wanted: Platforms) -> Platform | None:
    """The one platform that is wanted: an engine may not take a manifest of another one unasked."""
    return wanted.listed[0] if len(wanted.listed) == 1 else None


def _answers(image: LocalImage, platform: Platform) -> bool:
    if (image.platform.os, image.platform.architecture) != (platform.os, platform.architecture):
        return False
    return image.platform.variant == platform.variant or not image.tells_variant
