"""Lists of referrers: manifests that refer to another one, such as signatures, attestations and SBOMs.

Source: OCI distribution specification 1.1, "Listing Referrers", "Referrers Tag Schema".
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ferryman.manifests.manifest import OCI_INDEX, Manifest, digest_of
from ferryman.reference import is_digest, referrers_tag


@dataclass(frozen=True, slots=True)
class Referrer:
    """One of them, as a list describes it."""

    digest: str
    descriptor: Mapping[str, Any]  # as it was written: type and annotations are what people search by


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


def referrers_fingerprint(referrers: Iterable[Referrer]) -> str:
    """Another text for another set of referrers; empty for none."""
    digests = sorted(referrer.digest for referrer in referrers)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest() if digests else ""
