"""Keep what a target's tag names before it is overwritten: the digest gets a tag of Ferryman's own.

The record is written before that tag is put, so a process that is killed in between leaves no tag that nobody knows.
"""

from collections.abc import Mapping
from datetime import timedelta

from ferryman import log
from ferryman.errors import NotFound, StoreError, TransferError, Unreachable, Unsupported, WrongContent
from ferryman.manifests.manifest import Manifest
from ferryman.reference import Reference, Repository, keep_tag
from ferryman.registry.client import ManifestRefused, RegistryClient
from ferryman.store.kept_digests import KeptDigests
from ferryman.transports.base import Overwriting
from ferryman.transports.tagging import put_tag


class Keeper:
    """Keeps digests at their targets. One object for the life of a process."""

    def __init__(self, *, kept: KeptDigests, registry: RegistryClient) -> None:
        self._kept = kept
        self._registry = registry
        self._periods: Mapping[str, timedelta] = {}

    def configure(self, periods: Mapping[str, timedelta]) -> None:
        """For how long digests are kept, by target; zero: not at all."""
        self._periods = periods

    @property
    def periods(self) -> Mapping[str, timedelta]:
        """As configured."""
        return self._periods

    def overwriting(self, target: Reference, *, alone: bool = False) -> Overwriting:
        """What a transport calls before it overwrites this tag. `alone`: no other tag is trusted to hold the digest."""

        async def keep(digest: str | None) -> None:
            if self._periods.get(str(target.repository)):
                await self._keep(target, digest, alone=alone)

        return keep

    async def _keep(self, target: Reference, new: str | None, *, alone: bool) -> None:
        try:
            current = await self._registry.get_manifest(target)
        except NotFound:
            return
        except (Unsupported, WrongContent) as error:  # schema 1, which no registry takes any more; damaged
            _report_unkept(target, str(error))
            return
        if current.digest == new:
            return
        name = str(target.repository)
        try:
            if not alone and await self._kept.is_held(name, current.digest, besides=str(target.tag)):
                return
            await self.hold(target.repository, current)
        except StoreError as error:  # nothing is overwritten that is not on record; the queue tries again
            raise Unreachable(f"{target}: cannot record what it names: {error}") from error

    async def hold(self, repository: Repository, manifest: Manifest) -> bool:
        """Give the digest its tag. False: the target lacks a part of the image, so nobody can pull it anyway.

        Raises TransferError and StoreError.
        """
        name, tag = str(repository), repository.tagged(keep_tag(manifest.digest))
        if not await self._kept.begin(name, manifest.digest):
            raise Unreachable(f"{tag} is being removed at this moment", registry=repository.registry)
        try:
            await put_tag(self._registry, tag, manifest)
        except ManifestRefused as error:
            if not error.lacks_content:
                raise _with_advice(error, tag) from error
            await self._kept.drop(name, manifest.digest)
            _report_unkept(tag, str(error))
            return False
        await self._kept.confirm(name, manifest.digest)
        log.get().info(
            "digest_kept", message="what a tag named is kept under a tag of its own",
            target=name, tag=tag.tag, digest=manifest.digest,
        )  # fmt: skip
        return True


def _with_advice(error: ManifestRefused, tag: Reference) -> TransferError:
    message = f"{error}; so what {tag.repository} has cannot be kept: `history: 0` does without"
    return Unsupported(message, registry=error.registry, reported=error.reported, status=error.status)


def _report_unkept(tag: Reference, error: str) -> None:
    log.get().warning(
        "digest_not_kept", message="what a tag names cannot be kept when it is overwritten", tag=str(tag), error=error
    )
