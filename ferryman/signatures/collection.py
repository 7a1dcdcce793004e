"""Find the signatures of an image in its repository, in every form in which cosign and Notation store them.

The repository is a stranger's: what it can make us read is limited here.

Source: cosign, specs/SIGNATURE_SPEC.md ("Storage"), specs/BUNDLE_SPEC.md; OCI distribution specification 1.1, "Listing
Referrers"; notaryproject/specifications, signature-specification.md ("Storage").
"""

from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from typing import Any

from ferryman.errors import NotFound, SignatureRefused, Unsupported, WrongContent
from ferryman.manifests.referrers import Referrer
from ferryman.reference import Reference, Repository, is_digest, referrers_tag
from ferryman.registry.client import RegistryClient
from ferryman.signature_findings import Form
from ferryman.signatures.claims import SIGNATURE_PREDICATE
from ferryman.signatures.documents import at, parse_json
from ferryman.signatures.evidence import COSE, JWS, Evidence, NotationEnvelope, SigstoreBundle, SimpleSigning, Unusable
from ferryman.signatures.unfit import Unfit

_SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_COSIGN_REFERRER = "application/vnd.dev.cosign.artifact.sig.v1+json"
_NOTATION_REFERRER = "application/vnd.cncf.notary.signature"
_FORMS: Mapping[str, Form] = {_COSIGN_REFERRER: "cosign", _BUNDLE: "bundle", _NOTATION_REFERRER: "notation"}
_VAGUE = (None, "", "application/vnd.oci.empty.v1+json")
_ANNOTATION, _SIGSTORE = "dev.cosignproject.cosign/signature", "dev.sigstore.cosign/"
_PREDICATE = "dev.sigstore.bundle.predicateType"
_Document = dict[str, Any]
_LARGEST = 1024 * 1024  # bytes of a signature or a payload; usual ones have some thousands
_MOST_READ = 500  # manifests and blobs of signatures, for one tag with all images of its index


class SignatureCollection:
    """Reads the signatures in one repository, for one verification."""

    def __init__(self, client: RegistryClient, repository: Repository, forms: Collection[Form]) -> None:
        """`forms`: those that a rule can be fitted by; others are not looked for."""
        self._client = client
        self._repository = repository
        self._forms = forms
        self._read = 0
        self._contents: dict[str, bytes] = {}

    async def of(self, digest: str) -> AsyncGenerator[Evidence, None]:
        """What may be a signature of this image, each as it is read. Raises TransferError.

        What cannot be read is Unusable, and no error: only a registry that fails is one.
        """
        if "cosign" in self._forms:
            tag = self._repository.tagged(f"{referrers_tag(digest)}.sig")
            for layer in _layers(await self._manifest(tag)):
                yield await self._in_layer(layer)
        for referrer in await self._referrers(digest):
            if self._may_be_signature(referrer):
                manifest = await self._manifest(self._repository.pinned(referrer.digest))
                for layer in _layers(manifest) if isinstance(manifest, Unusable) or self._is_wanted(manifest) else ():
                    yield await self._in_layer(layer)

    def _may_be_signature(self, referrer: Referrer) -> bool:
        """By the list alone. Cosign lists its bundles under the type of their config, which is empty."""
        listed = referrer.descriptor.get("artifactType")
        return listed in _VAGUE or _FORMS.get(str(listed)) in self._forms

    def _is_wanted(self, manifest: _Document) -> bool:
        """Whether it is a signature of a form that is looked for. Attestations come as bundles, too."""
        kind = manifest.get("artifactType") or at(manifest, "config", "mediaType")
        predicate = at(manifest, "annotations", _PREDICATE)
        return _FORMS.get(str(kind)) in self._forms and predicate in (None, SIGNATURE_PREDICATE)

    async def _referrers(self, digest: str) -> Sequence[Referrer]:
        """As the API lists them, and by the tag where there is no API. Cosign's own program writes such tags."""
        listed = await self._client.list_referrers(self._repository.pinned(digest))
        if listed is None:
            self._count()
            listed = await self._client.tagged_referrers(self._repository.tagged(referrers_tag(digest)))
        return listed

    async def _manifest(self, reference: Reference) -> _Document | Unusable:
        """The manifest of signatures; an empty one, if there is no such tag."""
        self._count()
        try:
            return parse_json((await self._client.get_manifest(reference)).body, "the manifest of a signature")
        except NotFound:
            return {} if reference.tag else Unusable(f"the registry lists {reference.digest}, and does not have it")
        except (Unsupported, WrongContent, Unfit) as error:
            return Unusable(str(error))

    async def _in_layer(self, layer: _Document | Unusable) -> Evidence:
        if isinstance(layer, Unusable):
            return layer
        try:
            media_type, digest = _described(layer)
            content = await self._content(digest)
            if media_type == _SIMPLE_SIGNING:
                return _simple(layer, content)
        except NotFound:
            return Unusable("the registry does not have the content of a signature")
        except (Unsupported, WrongContent, Unfit) as error:
            return Unusable(str(error))
        return SigstoreBundle(content) if media_type == _BUNDLE else NotationEnvelope(media_type, content)

    async def _content(self, digest: str) -> bytes:
        """The blob. Signatures of one image by several signers often share their payload."""
        if digest not in self._contents:
            self._count()
            self._contents[digest] = await self._client.get_blob(self._repository, digest)
        return self._contents[digest]

    def _count(self) -> None:
        self._read += 1
        if self._read > _MOST_READ:
            raise SignatureRefused(
                f"{self._repository}: no signature fits: {_MOST_READ} manifests and blobs of them were read",
                registry=self._repository.registry,
            )


def _layers(manifest: _Document | Unusable) -> Iterable[_Document | Unusable]:
    """The layers, the newest first: cosign appends."""
    if isinstance(manifest, Unusable):
        return [manifest]
    layers = manifest.get("layers")
    return [each for each in reversed(layers) if isinstance(each, dict)] if isinstance(layers, list) else ()


def _described(layer: _Document) -> tuple[str, str]:
    """Media type and digest. Raises Unfit."""
    media_type, digest, size = layer.get("mediaType"), layer.get("digest"), layer.get("size")
    if media_type not in (_SIMPLE_SIGNING, _BUNDLE, JWS, COSE):
        raise Unfit(f"a signature of an unknown type: {str(media_type)[:100]!r}")
    if not isinstance(digest, str) or not is_digest(digest) or not isinstance(size, int) or size > _LARGEST:
        raise Unfit("a signature that is too large, or malformed")
    return media_type, digest


def _simple(layer: _Document, payload: bytes) -> SimpleSigning:
    """Raises Unfit."""

    def annotation(name: str) -> str | None:
        value = at(layer, "annotations", name)
        return value if isinstance(value, str) else None

    signature = annotation(_ANNOTATION)
    if signature is None:
        raise Unfit("a payload without a signature")
    return SimpleSigning(payload, signature, annotation(f"{_SIGSTORE}certificate"), annotation(f"{_SIGSTORE}bundle"))
