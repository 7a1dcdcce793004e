"""Manifests that refer to another one: signatures, attestations, lists of what is in an image.

Source: OCI distribution specification 1.1, "Listing Referrers", "Referrers Tag Schema".
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ferryman.reference import is_digest
from ferryman.registry.manifests import OCI_INDEX, Manifest


@dataclass(frozen=True, slots=True)
class Referrer:
    """One of them, as a list describes it."""

    digest: str
    descriptor: Mapping[str, Any]  # as it was written: type and annotations are what people search by


def referrers_in(document: Mapping[str, Any]) -> list[Referrer]:
    """What a list of referrers (an index) lists; entries that make no sense are left out."""
    listed = document.get("manifests")
    return [
        Referrer(entry["digest"], entry)
        for entry in (listed if isinstance(listed, list) else ())
        if isinstance(entry, dict) and isinstance(entry.get("digest"), str) and is_digest(entry["digest"])
    ]


def listed_in(index: Manifest) -> list[Referrer]:
    """What the index of a referrers tag lists."""
    return referrers_in(json.loads(index.body))


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
