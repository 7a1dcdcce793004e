"""Manifests that refer to another one: signatures, attestations, lists of what is in an image.

Source: OCI distribution specification 1.1, "Listing Referrers", "Referrers Tag Schema".
"""

import asyncio
import hashlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ferryman.clock import Clock
from ferryman.reference import is_digest, referrers_tag
from ferryman.registry.manifest_responses import OCI_INDEX, Manifest, digest_of

_ASKED_AGAIN = timedelta(days=1)  # a registry that had no API


@dataclass(frozen=True, slots=True)
class Referrer:
    """One of them, as a list describes it."""

    digest: str
    descriptor: Mapping[str, Any]  # as it was written: type and annotations are what people search by


class ReferrersApis:
    """Which registries have the referrers API, as far as was seen: one without it is asked once a day."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._have: set[str] = set()
        self._lack: dict[str, datetime] = {}  # since when
        self._first: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def asking(self, registry: str) -> AsyncIterator[bool]:
        """Whether to ask. As long as nothing is known one asks, and the others wait for what comes of it."""
        if self.has(registry):
            yield True
        elif self._lacks(registry):
            yield False
        else:
            async with self._first[registry]:
                yield not self._lacks(registry)

    def has(self, registry: str) -> bool:
        """Whether it has answered before: then a refusal speaks of one image."""
        return registry in self._have

    def note(self, registry: str, *, has: bool) -> None:
        """What an answer showed."""
        if has:
            self._have.add(registry)
            self._lack.pop(registry, None)
        elif registry not in self._have:
            self._lack[registry] = self._clock.now()

    def _lacks(self, registry: str) -> bool:
        since = self._lack.get(registry)
        return since is not None and abs(self._clock.now() - since) < _ASKED_AGAIN


def is_list(document: Mapping[str, Any]) -> bool:
    """Whether it can be a list of referrers: an index. What else comes with 200 is another server's page."""
    return isinstance(document.get("manifests"), list) and document.get("mediaType") in (None, "", OCI_INDEX)


def referrers_in(document: Mapping[str, Any]) -> list[Referrer]:
    """What a list of referrers (an index) lists; entries that make no sense are left out."""
    listed = document.get("manifests")
    return [
        Referrer(entry["digest"], entry)
        for entry in (listed if isinstance(listed, list) else ())
        if isinstance(entry, dict) and isinstance(entry.get("digest"), str) and is_digest(entry["digest"])
    ]


def listed_in(index: Manifest, *, tag: str) -> list[Referrer]:
    """What the index under a referrers tag lists; nothing where it is no such list.

    Registries that read `sha256-…` as the digest answer with the image itself, whose own images refer to nothing.
    """
    document = json.loads(index.body)
    algorithm = tag.partition("-")[0]
    is_subject = algorithm in {"sha256", "sha512"} and referrers_tag(digest_of(index.body, algorithm)) == tag
    return [] if is_subject or not is_list(document) else referrers_in(document)


def with_more(index: Manifest | None, others: Iterable[Referrer]) -> Manifest:
    """What a referrers tag is to name: the index as it is if it lists all of these, else one that does."""
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX}
    if index is not None:
        document |= json.loads(index.body)
    listed = {referrer.digest: referrer.descriptor for referrer in referrers_in(document)}
    joined = listed | {referrer.digest: referrer.descriptor for referrer in others if referrer.digest not in listed}
    if index is not None and len(joined) == len(listed):
        return index
    body = json.dumps({**document, "manifests": list(joined.values())}, ensure_ascii=False).encode()
    return Manifest.made(body, OCI_INDEX)


def has_subject(manifest: Manifest) -> bool:
    """Whether it refers to another one."""
    return isinstance(json.loads(manifest.body).get("subject"), dict)


def fingerprint(referrers: Iterable[Referrer]) -> str:
    """Another text for another set of referrers; empty for none."""
    digests = sorted(referrer.digest for referrer in referrers)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest() if digests else ""
