"""Fingerprints of what the referrers API lists now, to be compared with what was copied."""

from collections.abc import Collection, Mapping

from ferryman import log
from ferryman.errors import LoginRefused, RateLimited, TransferError
from ferryman.manifests.referrers import referrers_fingerprint
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient
from ferryman.tasks import for_each

_AT_ONCE = 32  # concurrent requests; the client also applies the registry's own limit


async def fingerprints(client: RegistryClient, repository: Repository, digests: Collection[str]) -> Mapping[str, str]:
    """The referrers_fingerprint of what refers to each of these images. Images that cannot be read are left out.

    Empty if the registry has no referrers API (the client tries once): it has referrers tags instead, which are in
    its tag list. Raises RateLimited and LoginRefused.
    """
    found: dict[str, str] = {}

    async def look(digest: str) -> None:
        try:
            listed = await client.list_referrers(repository.pinned(digest))
        except (RateLimited, LoginRefused):
            raise
        except TransferError as error:
            log.get().warning(
                "referrers_unreadable", message="cannot list the referrers of an image", digest=digest, error=str(error)
            )
            return
        if listed is not None:
            found[digest] = referrers_fingerprint(listed)

    await for_each(digests, look, at_once=_AT_ONCE)
    return found
