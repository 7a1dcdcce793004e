"""A registry with what the real programs wrote, and verifiers for it."""

import asyncio
import base64
import json
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ferryman.platforms import Platforms
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient
from ferryman.signature_findings import Finding
from ferryman.signature_rules import KeyRule, Missing, NotationRule, SignatureRule, SignatureRules
from ferryman.signatures.verifier import SignatureVerifier
from tests.support.clock import ManualClock
from tests.support.images import OCI_INDEX, OCI_MANIFEST, Image, Index, digest_of, push
from tests.support.processes import RegistryServer
from tests.support.transports import NATIVE, open_client

RECORDED = Path(__file__).parent / "recorded"
MADE_AT = datetime.fromisoformat((RECORDED / "made-at.txt").read_text().strip())
TARGET = Repository("registry.example.com", "mirror/app")


def key_rule(kind: str = "p256", **more: Any) -> KeyRule:
    return KeyRule(f"{kind}.pub", (RECORDED / f"{kind}.pub").read_text(), **more)


def notation_rule(subject: str | None = None) -> NotationRule:
    return NotationRule("truststore", ((RECORDED / "root.crt").read_text(),), re.compile(subject) if subject else None)


@dataclass
class Case:
    """What one repository has besides the images. Tests tamper with it before it is pushed."""

    signed: str
    tags: dict[str, str]
    manifests: dict[str, str]
    blobs: dict[str, str]  # base64

    def replace_manifest(self, old: str, document: Any) -> str:
        """Put another manifest in the place of one; its tags follow."""
        body = json.dumps(document)
        del self.manifests[old]
        new = digest_of(body.encode())
        self.manifests[new] = body
        self.tags = {tag: new if digest == old else digest for tag, digest in self.tags.items()}
        return new

    def add_blob(self, content: bytes) -> str:
        digest = digest_of(content)
        self.blobs[digest] = base64.b64encode(content).decode()
        return digest


def recorded(name: str) -> Case:
    return Case(**json.loads((RECORDED / f"{name}.json").read_text()))


def images() -> tuple[Index, Image, Image, Image]:
    """The index, its images for amd64 and arm64, and another image."""
    document = json.loads((RECORDED / "images.json").read_text())
    made = [
        Image(
            each["manifest"].encode(),
            OCI_MANIFEST,
            {digest: base64.b64decode(blob) for digest, blob in each["blobs"].items()},
            each["platform"],
        )
        for each in document["images"]
    ]
    amd64, arm64, other = made
    return Index(document["index"].encode(), OCI_INDEX, (amd64, arm64)), amd64, arm64, other


def place(url: str, name: str, case: Case, *, with_tags: bool = True) -> None:
    """Push the images, and the case, to the registry."""
    whole, *_, other = images()
    push(url, name, "1", whole)
    push(url, name, "2", other)
    blobs = {digest: base64.b64decode(blob) for digest, blob in case.blobs.items()}
    pushed: dict[str, Image | Index] = {}
    for digest, body in sorted(case.manifests.items(), key=lambda each: '"manifests"' in each[1]):
        document = json.loads(body)
        listed = [pushed[each["digest"]] for each in document.get("manifests", ()) if each["digest"] in pushed]
        made: Image | Index = (
            Index(body.encode(), OCI_INDEX, listed)
            if "manifests" in document
            else Image(body.encode(), OCI_MANIFEST, {each: blobs[each] for each in _named(document) if each in blobs})
        )
        pushed[digest] = made
        push(url, name, digest, made)
    for tag, digest in case.tags.items() if with_tags else ():
        push(url, name, tag, pushed[digest])


def _named(document: Mapping[str, Any]) -> list[str]:
    return [each["digest"] for each in (document["config"], *document["layers"])]


@dataclass
class Verifying:
    """Verifies what a registry has."""

    server: RegistryServer
    client: RegistryClient
    clock: ManualClock

    async def place(self, case: Case, *, url: str | None = None, with_tags: bool = True) -> Repository:
        """Push a case into a repository of its own."""
        name = f"case-{secrets.token_hex(4)}"
        url = url or self.server.url
        await asyncio.to_thread(place, url, name, case, with_tags=with_tags)
        return Repository(url.removeprefix("http://"), name)

    def verifier(self, rules: SignatureRules) -> SignatureVerifier:
        return SignatureVerifier({TARGET: rules}, client=self.client, clock=self.clock, native=lambda: NATIVE)

    async def verify(
        self,
        where: Case | Repository,
        *rules: SignatureRule,
        digest: str | None = None,
        missing: Missing = "refuse",
        platforms: str | None = None,
    ) -> Finding:
        repository = await self.place(where) if isinstance(where, Case) else where
        digest = digest or (where.signed if isinstance(where, Case) else images()[0].digest)
        verifier = self.verifier(SignatureRules(rules, missing))
        wanted = Platforms.parse(platforms) if platforms else None
        finding = await verifier.verify(repository.pinned(digest), TARGET, wanted)
        assert finding is not None
        assert finding.digest == digest
        return finding


@pytest.fixture
async def verifying(target_registry: RegistryServer) -> AsyncIterator[Verifying]:
    clock = ManualClock(MADE_AT + timedelta(hours=1))
    client = open_client(clock=clock)
    yield Verifying(target_registry, client, clock)
    await client.aclose()
