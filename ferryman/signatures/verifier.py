"""Decide whether an image is signed as `verify_signatures` asks, before anything of it is copied."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from ferryman.clock import Clock
from ferryman.errors import SignatureRefused, Unsupported
from ferryman.manifests.contents import Child, read
from ferryman.manifests.limits import MAX_INDEX_DEPTH, MAX_MANIFESTS
from ferryman.platforms import Platform, Platforms
from ferryman.reference import Reference, Repository
from ferryman.registry.client import RegistryClient
from ferryman.signature_findings import Finding, Signer
from ferryman.signature_rules import SignatureRule, SignatureRules
from ferryman.signatures.checkers import Checker, checker_for
from ferryman.signatures.collection import SignatureCollection
from ferryman.signatures.evidence import Evidence, Unusable
from ferryman.signatures.unfit import Unfit
from ferryman.tasks import gather_or_raise

_MOST_TOLD = 3  # reasons in one message
_LONGEST = 300  # characters of one reason: strangers write parts of them


class SignatureVerifier:
    """Verifies images by the rules of their items. Another items.yml makes another one."""

    def __init__(
        self,
        by_target: Mapping[Repository, SignatureRules],
        *,
        client: RegistryClient,
        clock: Clock,
        native: Callable[[], Platform],
    ) -> None:
        """`by_target`: the rules of each target repository. `native`: the platform that the keyword means.

        Raises ConfigurationError for rules that cannot be used.
        """
        self._client = client
        self._native = native
        self._rules = by_target
        wanted = dict.fromkeys(rule for rules in by_target.values() for rule in rules.rules)
        self._checkers: Mapping[SignatureRule, Checker] = {rule: checker_for(rule, clock.now) for rule in wanted}

    async def verify(self, source: Reference, target: Repository, platforms: Platforms | None) -> Finding | None:
        """Verify what `source` names by its digest; None: the target's item asks for no signatures.

        Verified is the index as its publisher signed it, or each of its images that `platforms` asks for. Raises
        TransferError if the registry fails: then nothing is known.
        """
        rules = self._rules.get(target)
        if rules is None:
            return None
        checkers = [self._checkers[rule] for rule in rules.rules]
        verification = _Verification(self._client, source, platforms, checkers, self._native())
        return await verification.run(rules)


class _Verification:
    """The verification of one tag. Made for one `run`."""

    def __init__(
        self,
        client: RegistryClient,
        source: Reference,
        platforms: Platforms | None,
        checkers: Sequence[Checker],
        native: Platform,
    ) -> None:
        self._client = client
        self._source = source
        self._platforms = platforms
        self._native = native
        self._checkers = checkers
        forms = {form for checker in checkers for form in checker.forms}
        self._collection = SignatureCollection(client, source.repository, forms)
        self._images = 0
        self._unfit: list[str] = []  # why signatures do not fit

    async def run(self, rules: SignatureRules) -> Finding:
        digest = self._source.digest or ""
        try:
            signers = await self._signers_of(digest, depth=1)
        except SignatureRefused as error:  # too many were read
            return Finding("refused", digest, detail=str(error))
        if signers:
            return Finding("verified", digest, tuple(dict.fromkeys(signers)))
        if self._unfit:
            return Finding("refused", digest, detail=f"{self._source}: no signature fits: {self._told()}")
        detail = f"{self._source} is not signed, as far as its registry shows"
        return Finding("missing" if rules.missing == "warn" else "refused", digest, detail=detail)

    def _told(self) -> str:
        reasons = list(dict.fromkeys(map(_clean, self._unfit)))
        more = f" (and {len(reasons) - _MOST_TOLD} more)" if len(reasons) > _MOST_TOLD else ""
        return "; ".join(reasons[:_MOST_TOLD]) + more

    async def _signers_of(self, digest: str, *, depth: int) -> Sequence[Signer]:
        """Who has signed this manifest, or else all images that it lists. Empty: nobody, or not all of them."""
        self._count(depth)
        signer = await self._signer_of(digest)
        if signer is not None:
            return [signer]
        contents = read(await self._client.get_manifest(self._source.repository.pinned(digest), keep=True))
        images = [child for child in contents.children if self._is_copied(child)]
        parts = await gather_or_raise(*(self._signers_of_child(image, depth=depth + 1) for image in images))
        return [each for part in parts for each in part] if all(parts) else []

    async def _signers_of_child(self, child: Child, *, depth: int) -> Sequence[Signer]:
        if child.is_index:
            return await self._signers_of(child.digest, depth=depth)
        self._count(depth)
        signer = await self._signer_of(child.digest)
        return [signer] if signer is not None else []

    async def _signer_of(self, digest: str) -> Signer | None:
        async with aclosing(self._collection.of(digest)) as collected:
            async for evidence in collected:
                if isinstance(evidence, Unusable):
                    self._unfit.append(evidence.why)
                elif (signer := await self._check(evidence, digest)) is not None:
                    return signer
        return None

    async def _check(self, evidence: Evidence, digest: str) -> Signer | None:
        for checker in self._checkers:
            if not isinstance(evidence, Unusable) and evidence.form in checker.forms:
                try:
                    signer = await asyncio.to_thread(checker.check, evidence, digest)
                    return replace(signer, name=_clean(signer.name))
                except Unfit as error:
                    self._unfit.append(str(error))
        return None

    def _is_copied(self, child: Child) -> bool:
        """Whether the image may go to the target. What no platform can run needs no signature: attestations.

        BuildKit's annotation alone does not count: anybody can write it beside an image that runs. Nor does an index
        of images that run.
        """
        platforms = child.platforms
        if platforms and not child.is_index and all(platform.os == "unknown" for platform in platforms):
            return False
        return not platforms or any(map(self._admits, platforms))

    def _admits(self, platform: Platform) -> bool:
        if self._platforms is None:  # the transport's default
            return platform.os != "windows"
        return self._platforms.admits(platform, self._native)

    def _count(self, depth: int) -> None:
        self._images += 1
        if depth > MAX_INDEX_DEPTH or self._images > MAX_MANIFESTS:
            raise Unsupported(
                f"{self._source} lists too many manifests, or nests them too deep",
                registry=self._source.repository.registry,
            )


def _clean(text: str) -> str:
    """What strangers write ends up in the record, on terminals and pages."""
    return "".join(character if character.isprintable() else "?" for character in text[:_LONGEST])
