"""Lists of referrers: manifests that refer to another manifest, such as signatures, attestations and SBOMs.

Source: OCI distribution specification 1.1, "Listing Referrers", "Referrers Tag Schema".
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ferryman.manifests.index import document_of
from ferryman.manifests.manifest import OCI_INDEX, Manifest, digest_of
from ferryman.reference import is_digest, referrers_tag


@dataclass(frozen=True, slots=True)
class Referrer:
    """One referrer, as a list describes it."""

    digest: str
    descriptor: Mapping[str, Any]  # unchanged: people search by its type and annotations


def is_list(document: Mapping[str, Any]) -> bool:
    """Whether a parsed answer can be a list of referrers: an index. Other documents with 200 are another server's."""
    return isinstance(document.get("manifests"), list) and document.get("mediaType") in (None, "", OCI_INDEX)


def referrers_in(document: Mapping[str, Any]) -> list[Referrer]:
    """The referrers in a parsed list (an index); malformed descriptors are left out."""
    listed = document.get("manifests")
    return [
        Referrer(entry["digest"], entry)
        for entry in (listed if isinstance(listed, list) else ())
        if isinstance(entry, dict) and isinstance(entry.get("digest"), str) and is_digest(entry["digest"])
    ]


def listed_in(index: Manifest, *, tag: str) -> list[Referrer]:
    """The referrers that the index under a referrers tag lists; empty if the index is no such list.

    Registries that read `sha256-…` as the digest answer with the image itself, and what an image lists refers to
    nothing.
    """
    document = document_of(index)
    algorithm = tag.partition("-")[0]
    is_subject = algorithm in {"sha256", "sha512"} and referrers_tag(digest_of(index.body, algorithm)) == tag
    return [] if is_subject or not is_list(document) else referrers_in(document)


def with_more(index: Manifest | None, others: Iterable[Referrer]) -> Manifest:
    """The index for a referrers tag: `index` unchanged if it lists all of `others`, else a new one that does."""
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX}
    if index is not None:
        document |= document_of(index)
    listed = {referrer.digest: referrer.descriptor for referrer in referrers_in(document)}
    joined = listed | {referrer.digest: referrer.descriptor for referrer in others if referrer.digest not in listed}
    if index is not None and len(joined) == len(listed):
        return index
    body = json.dumps({**document, "manifests": list(joined.values())}, ensure_ascii=False).encode()
    return Manifest.made(body, OCI_INDEX)


def has_subject(manifest: Manifest) -> bool:
    """Whether the manifest refers to another one (`subject`)."""
    return isinstance(document_of(manifest).get("subject"), dict)


def referrers_fingerprint(referrers: Iterable[Referrer]) -> str:
    """A hash of the set of referrers, whatever their order; empty for none."""
    digests = sorted(referrer.digest for referrer in referrers)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest() if digests else ""
