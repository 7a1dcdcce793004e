"""Client of the OCI distribution protocol: manifests, blobs, tags, referrers, logins and rate limits.

Source: OCI distribution specification 1.1; Docker Registry HTTP API V2.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from yarl import URL

from ferryman.bandwidth import FULL_SPEED, Bandwidth
from ferryman.clock import Clock
from ferryman.errors import Denied, LoginRefused, NotFound, Unsupported, WrongContent
from ferryman.events import Events
from ferryman.manifests.manifest import Manifest, digest_of
from ferryman.manifests.referrers import Referrer, has_subject, is_list, listed_in, referrers_in
from ferryman.reference import DOCKER_HUB, Reference, Repository, is_tag
from ferryman.registry import manifest_responses
from ferryman.registry.auth.credential import Credential, credential_fingerprint, identify, matches
from ferryman.registry.auth.credentials import CredentialStore
from ferryman.registry.blobs.downloads import Download
from ferryman.registry.blobs.foreign_layers import ForeignLayerRequests
from ferryman.registry.blobs.single_posts import SinglePosts
from ferryman.registry.blobs.uploads import InMemory, Session, Uploader, session_of
from ferryman.registry.bounds import Bounds
from ferryman.registry.capabilities import Capabilities
from ferryman.registry.content_cache import ContentCache
from ferryman.registry.hosts import Host
from ferryman.registry.http.error_responses import error_codes, login_refused
from ferryman.registry.http.links import next_page
from ferryman.registry.http.messages import RequestSpec, Response
from ferryman.registry.http.requests import RequestBuilder
from ferryman.registry.http.session import Timeouts
from ferryman.registry.limits.host_limits import PresentLimits
from ferryman.registry.limits.quota import Quota
from ferryman.registry.manifest_responses import Described, ManifestRefused, Stored
from ferryman.registry.page_sizes import PageSizes, refuses_size
from ferryman.registry.referrers_api import ReferrersApis
from ferryman.registry.sender import Sender
from ferryman.registry_options import RegistryOptions

__all__ = [
    "Capabilities", "Described", "HeldBlob", "ManifestRefused", "Mount", "RegistryClient", "Session", "Stored",
]  # fmt: skip

_HEADLESS = timedelta(days=1)  # until HEAD is tried again at a registry that did not support it for manifests
_MOST_REFERRERS = 10_000  # of one image
_LONG = 256 * 1024  # bytes; longer documents are parsed in a thread
_NAMES_AT_ONCE = 1000  # after so many the event loop gets a turn
_VALUES = 10  # for each tag, in a document of Google's
_API_VALUES = 400_000  # in a page of an API: a hundred tags with their images


@dataclass(frozen=True, slots=True)
class Mount:
    """The result of a cross-repository mount."""

    made: bool
    session: Session | None = None  # an upload session that the registry opened instead


@dataclass(frozen=True, slots=True)
class HeldBlob:
    """What a registry answers to the HEAD of a blob."""

    there: bool | None  # None: its answer does not say
    size: int | None = None  # bytes; None: its answer does not say


class RegistryClient:
    """Client of every registry: logs in, pages, respects rate limits. One instance a process.

    Every call raises subclasses of TransferError, and no exception of aiohttp. Requests wait for a hold (`Retry-After`)
    of their host to end and for a slot; a hold of more than a minute raises RateLimited instead.
    """

    def __init__(
        self,
        *,
        hosts: Mapping[str, RegistryOptions],
        credentials: CredentialStore,
        clock: Clock,
        bandwidth: Bandwidth = FULL_SPEED,
        user_agent: str = "ferryman",
        timeouts: Timeouts = Timeouts(),  # noqa: B008  (frozen)
        events: Events | None = None,
    ) -> None:
        """`bandwidth`: of all registries together. Raises ConfigurationError for a CA file that cannot be used."""
        self._clock = clock
        self._hosts = _resolve(hosts)
        self._credentials = credentials
        self._capabilities: dict[str, Capabilities] = {}
        self._single_posts = SinglePosts()
        self._page_sizes = PageSizes()
        self._headless: dict[str, datetime] = {}  # registries whose HEAD does not find manifests, and since when
        self._mounting: set[str] = set()  # registries that have mounted a blob
        self._referrers_apis = ReferrersApis(clock=clock)
        self._manifest_cache = ContentCache[Manifest]()
        self._blob_cache = ContentCache[bytes]()
        self._timeouts = timeouts
        self._reading = asyncio.Semaphore(1)  # one long document at a time: parsed, each takes many times its size
        self._sender = Sender(
            credentials=credentials, clock=clock, timeouts=timeouts, user_agent=user_agent, events=events or Events()
        )
        self._set_bandwidth(hosts, bandwidth)

    def configure(
        self,
        *,
        hosts: Mapping[str, RegistryOptions],
        credentials: CredentialStore,
        bandwidth: Bandwidth = FULL_SPEED,
    ) -> None:
        """Apply a reloaded configuration; holds, tokens and refused logins stay. Raises ConfigurationError."""
        self._hosts = _resolve(hosts)
        self._credentials = self._sender.logins.credentials = credentials
        self._set_bandwidth(hosts, bandwidth)

    def _set_bandwidth(self, hosts: Mapping[str, RegistryOptions], total: Bandwidth) -> None:
        by_name = {name: options.bandwidth for name, options in hosts.items()}
        self._sender.limits.set_bandwidth(total=total, each=by_name)

    # Manifests and blobs

    async def head_manifest(
        self, reference: Reference, *, expected: bool = False, known: str | None = None
    ) -> Described:
        """Digest, media type and size of a manifest, by HEAD. Raises NotFound. Schema 1 is not refused here.

        Falls back to a GET, which Docker Hub counts as a pull, if the answer to HEAD has no digest. `expected`: it is
        listed, or was just pushed, so a 404 is verified by GET, except at Docker Hub: some pull-through caches answer
        404 to every HEAD. `known`: the digest that the tag named before: if it still does, a registry need not read
        the manifest (RFC 9110, section 13.1.2), so this does not tell whether it is there, nor of what type.
        """
        registry = reference.repository.registry
        if not self._is_headless(registry):
            described = await self._described(reference, expected=expected and registry != DOCKER_HUB, known=known)
            if described is not None:
                return described
        manifest = await self.get_manifest(reference)
        if registry != DOCKER_HUB:
            self._headless.setdefault(registry, self._clock.now())
        return Described(manifest.digest, manifest.media_type, len(manifest.body))

    async def _described(self, reference: Reference, *, expected: bool, known: str | None) -> Described | None:
        spec = self._requests(reference.repository.registry).head_manifest(reference, known=known)
        try:
            response = await self._sender.send(spec)
        except NotFound:
            if not expected:
                raise
            return None
        return manifest_responses.describe(spec, response, pinned=reference.digest, known=known)

    def _is_headless(self, registry: str) -> bool:
        found_at = self._headless.get(registry)
        if found_at is not None and abs(self._clock.now() - found_at) > _HEADLESS:
            del self._headless[registry]
            return False
        return found_at is not None

    async def get_manifest(self, reference: Reference, *, keep: bool = False) -> Manifest:
        """The manifest, byte for byte, verified against `reference.digest` and the digest in the registry's header.

        `keep`: cache it for the next request by digest. Raises NotFound, WrongContent, and Unsupported for schema 1.
        """
        found = self._manifest_cache.pop(f"{reference.repository}@{reference.digest}") if reference.digest else None
        if found is None:
            spec = self._requests(reference.repository.registry).get_manifest(reference)
            found = manifest_responses.receive(spec, await self._sender.send(spec), pinned=reference.digest)
        if keep:
            self._manifest_cache.put(f"{reference.repository}@{found.digest}", found, size=len(found.body))
        return found

    async def get_blob(self, repository: Repository, digest: str, *, keep: bool = False) -> bytes:
        """A small blob, such as a config, verified; at most 4 MiB (WrongContent). `keep`: as for a manifest."""
        name = f"{repository}@{digest}"
        found = self._blob_cache.pop(name)
        if found is None:
            spec = self._requests(repository.registry).get_blob(repository.name, digest)
            response = await self._sender.send(spec)
            manifest_responses.check(spec, response, digest)
            found = response.body
            await self._sender.limits.throttle(repository.registry, len(found))
        if keep:
            self._blob_cache.put(name, found, size=len(found))
        return found

    async def put_manifest(self, reference: Reference, manifest: Manifest) -> Stored:
        """Push the manifest under the digest of `reference`, or under its tag if it has no digest.

        Raises ManifestRefused if the registry does not accept it, NotFound for an unknown repository, and WrongContent
        if the registry stored something else.
        """
        spec = self._requests(reference.repository.registry).put_manifest(reference, manifest)
        try:
            response = await self._sender.send(spec)
        except (NotFound, Unsupported) as error:
            refused = ManifestRefused(
                str(error), registry=error.registry, reported=error.reported, status=error.status, codes=error.codes
            )
            raise refused if refused.lacks_content or isinstance(error, Unsupported) else error from None
        digest = reference.digest or digest_of(manifest.body)
        if "OCI-Subject" not in response.headers and has_subject(manifest):
            self.capabilities(reference.repository.registry).lists_referrers = False
        return Stored(digest, confirmed=manifest_responses.describe(spec, response, pinned=digest) is not None)

    async def delete_manifest(self, reference: Reference) -> bool:
        """Delete a manifest with every tag that names it, or, where the registry can, a tag alone.

        True: it is not there any more. False: the registry does not delete (by default distribution's does not), or
        not by tag. A 404 without an error code means that as well: zuul-registry knows no such request.
        """
        response = await self._sender.send(self._requests(reference.repository.registry).delete_manifest(reference))
        return response.ok or (response.status == HTTPStatus.NOT_FOUND and bool(error_codes(response)))

    async def has_blob(self, repository: Repository, digest: str) -> bool | None:
        """Whether a target repository has the blob; None: its answer to HEAD does not say."""
        return (await self.head_blob(repository, digest)).there

    async def head_blob(self, repository: Repository, digest: str) -> HeldBlob:
        """Whether a target repository has the blob, and how long it is there."""
        response = await self._sender.send(self._requests(repository.registry).head_blob(repository.name, digest))
        if response.ok:
            return HeldBlob(there=True, size=manifest_responses.length_of(response))
        return HeldBlob(there=False if response.status == HTTPStatus.NOT_FOUND else None)

    async def mount_blob(self, repository: Repository, digest: str, *, source: str) -> Mount:
        """Cross-repository mount: let the registry take the blob from its repository `source` (a name)."""
        response = await self._sender.send(
            self._requests(repository.registry).mount(repository.name, digest, source=source)
        )
        if response.status == HTTPStatus.CREATED:
            self._mounting.add(repository.registry)
            return Mount(made=True)
        return Mount(made=False, session=session_of(response, repository.registry) if response.ok else None)

    def has_mounted(self, registry: str) -> bool:
        """Whether the registry has mounted a blob since this process started."""
        return registry in self._mounting

    def download(
        self, repository: Repository, digest: str, size: int, *, on_progress: Callable[[int], None]
    ) -> Download:
        """The blob, for an upload within `transfer`; `on_progress` gets the bytes received so far. Close it."""
        requests = self._requests(repository.registry)
        return Download(
            sender=self._sender, requests=requests, clock=self._clock,
            name=repository.name, digest=digest, size=size, on_progress=on_progress, window=self._timeouts.read,
        )  # fmt: skip

    def download_from(
        self, url: str, repository: Repository, digest: str, size: int, *, on_progress: Callable[[int], None]
    ) -> Download:
        """A foreign layer of the repository, from a URL in its manifest; otherwise like `download`.

        Raises Unsupported for a URL that must not be followed.
        """
        return Download(
            sender=self._sender, requests=ForeignLayerRequests.to(self._host(repository.registry), url),
            clock=self._clock,
            name=repository.name, digest=digest, size=size, on_progress=on_progress, window=self._timeouts.read,
        )  # fmt: skip

    async def upload_blob(
        self, repository: Repository, digest: str, blob: bytes | Download, *, session: Session | None = None
    ) -> None:
        """Upload a blob into a repository; `session`: the upload session that a refused mount left, or `open_upload`.

        An error of the source (the download) is raised unchanged. A download needs `transfer`.
        """
        uploader = self._uploader(repository, digest, holds_slot=not isinstance(blob, bytes))
        await uploader.run(InMemory(blob) if isinstance(blob, bytes) else blob, session)

    def takes_single_posts(self, registry: str) -> bool | None:
        """Whether the registry takes a small blob in one POST, without a session; None: not tried yet."""
        return self._single_posts.known(registry)

    async def open_upload(self, repository: Repository, digest: str) -> Session:
        """Open an upload session, for `upload_blob` or `cancel_upload`."""
        return await self._uploader(repository, digest, holds_slot=False).open()

    async def cancel_upload(self, repository: Repository, digest: str, session: Session) -> None:
        """Cancel an upload session that nothing was sent in. Never fails."""
        await self._uploader(repository, digest, holds_slot=False).cancel(session)

    def _uploader(self, repository: Repository, digest: str, *, holds_slot: bool) -> Uploader:
        return Uploader(
            sender=self._sender, requests=self._requests(repository.registry), clock=self._clock,
            capabilities=self.capabilities(repository.registry), single_posts=self._single_posts,
            name=repository.name, digest=digest, holds_slot=holds_slot,
        )  # fmt: skip

    def transfer(self, source: str, target: str) -> AbstractAsyncContextManager[None]:
        """Hold a request slot at both registries, for one download and its upload."""
        return self._sender.limits.transfer({name: self._host(name).concurrency for name in (source, target)})

    def capabilities(self, registry: str) -> Capabilities:
        """The known capabilities of the registry; callers that learn more may change them."""
        return self._capabilities.setdefault(registry, Capabilities())

    # Tags

    async def list_tags(self, repository: Repository) -> AsyncIterator[list[str]]:
        """Tag names, page by page (plain OCI paging), without duplicates and without invalid names.

        Raises Unsupported for too many names (`most_tags`), and TooSlow for too much time.
        """
        size = self._host(repository.registry).page_size
        bounds = self.bounds(repository)
        seen: set[str] = set()
        async for document in self._pages(repository, page_size=size, bounds=bounds):
            before, has_names = len(seen), False
            for names in _portions(document["tags"]):
                fresh = [name for name in names if name not in seen]
                has_names |= bool(names)
                bounds.count(len(fresh))
                seen.update(fresh)
                if fresh or not names:
                    yield fresh
                await asyncio.sleep(0)
            if has_names and len(seen) == before:  # a repeated page: this registry ignores `last`
                if len(document["tags"]) == self._page_sizes.known(repository.registry):
                    message = f"{bounds.about}: its pages repeat, so that only the first {before} can be read"
                    raise Unsupported(message, registry=repository.registry)
                return  # it ignores `n` as well: this is the whole list

    async def get_tags_document(self, repository: Repository) -> dict[str, Any]:
        """The whole document of tags/list; `tags` and Google's `manifest` map are merged over all pages."""
        bounds = self.bounds(repository)
        merged: dict[str, Any] = {}
        tags: list[Any] = []
        by_digest: dict[str, Any] = {}
        async for document in self._pages(repository, page_size=None, bounds=bounds):
            bounds.count(len(document["tags"]))
            tags += document["tags"]
            by_digest |= document["manifest"]
            merged |= document
        return merged | {"tags": tags, "manifest": by_digest}

    def bounds(self, repository: Repository) -> Bounds:
        """New bounds for a list of the repository's tags."""
        host = self._host(repository.registry)
        return Bounds(
            f"{host.name}: tags of {repository.name}", registry=host.name, names=host.most_tags,
            seconds=self._timeouts.of_list(host),
        )  # fmt: skip

    async def _pages(
        self, repository: Repository, *, page_size: int | None, bounds: Bounds
    ) -> AsyncIterator[dict[str, Any]]:
        """The documents of tags/list."""
        async for document in self._pages_of_accepted_size(repository, page_size, bounds):
            tags, by_digest = document.get("tags"), document.get("manifest")
            yield document | {
                "tags": tags if isinstance(tags, list) else [],  # null where there are none
                "manifest": by_digest if isinstance(by_digest, dict) else {},
            }

    async def _pages_of_accepted_size(
        self, repository: Repository, page_size: int | None, bounds: Bounds
    ) -> AsyncIterator[dict[str, Any]]:
        """Try smaller page sizes if one is refused, and the registry's default last."""
        registry = repository.registry
        for size in self._page_sizes.to_try(registry, page_size):
            has_begun = False
            try:
                spec = self._requests(registry).list_tags(repository.name, page_size=size, bounds=bounds)
                async for document in self._documents(spec, bounds, values=_VALUES * bounds.most):
                    has_begun = True
                    self._page_sizes.taken(registry, size, usual=page_size)
                    yield document
            except (NotFound, Unsupported) as error:
                if has_begun or size is None or not refuses_size(error):
                    raise
            else:
                return

    async def _documents(self, spec: RequestSpec, bounds: Bounds, *, values: int) -> AsyncIterator[dict[str, Any]]:
        """The pages of a list. It ends where no next page is linked; a short page is not an end."""
        registry, about = spec.host.name, f"{spec.host.name}: {spec.subject}"
        visited: set[URL] = set()
        while spec.request.url not in visited:
            bounds.page()
            visited.add(spec.request.url)
            response = await self._sender.send(spec)
            document = await self._json(spec, response, values=values)
            if not isinstance(document, dict):
                raise WrongContent(f"{about}: its answer is no list", registry=registry)
            yield document
            following = next_page(response.headers.getall("Link", []), response.url)
            if following is None:
                return
            spec = replace(spec, request=spec.request.moved(following))

    # Referrers

    async def list_referrers(self, subject: Reference) -> list[Referrer] | None:
        """The referrers of a manifest, of every type; None: the registry has no referrers API, which is remembered."""
        registry = subject.repository.registry
        async with self._referrers_apis.asking(registry) as worth_asking:
            if not worth_asking:
                return None
            found = await self._listed_referrers(subject)
            self._referrers_apis.note(registry, has=found is not None)
        return found

    async def _listed_referrers(self, subject: Reference) -> list[Referrer] | None:
        host = self._host(subject.repository.registry)
        bounds = Bounds(
            f"{host.name}: referrers of {subject}", registry=host.name, names=_MOST_REFERRERS, what="referrers",
            seconds=self._timeouts.of_list(host),
        )  # fmt: skip
        spec = self._requests(host.name).list_referrers(subject, bounds=bounds)
        found: dict[str, Referrer] | None = None
        try:
            async for document in self._referrers_documents(spec, bounds):
                listed = {referrer.digest: referrer for referrer in referrers_in(document)}
                found = (found or {}) | listed
                bounds.count(len(listed))
        except (NotFound, Unsupported):
            if found is not None:
                raise
            return None
        except WrongContent:
            if found is not None or self._referrers_apis.has(host.name):
                raise
            return None
        return list((found or {}).values())

    async def _referrers_documents(self, spec: RequestSpec, bounds: Bounds) -> AsyncIterator[dict[str, Any]]:
        async for document in self._documents(spec, bounds, values=_API_VALUES):
            if not is_list(document):  # such as a login page
                about = f"{spec.host.name}: {spec.subject}"
                raise WrongContent(f"{about}: its answer is no list", registry=spec.host.name)
            yield document

    async def tagged_referrers(self, tag: Reference) -> list[Referrer]:
        """The referrers that a referrers tag lists; empty if there is no such tag, or it is something else."""
        try:
            return listed_in(await self.get_manifest(tag), tag=tag.selector)
        except NotFound:
            return []

    async def _json(self, spec: RequestSpec, response: Response, *, values: int) -> Any:
        """Parse the JSON of an answer, with at most `values` values; long documents in a thread, one at a time."""
        about = f"{spec.answered_by(response.url)}: {spec.subject}"
        # Short values take sixty times their length in memory: count them before parsing.
        if response.body.count(b",") > values:
            if spec.bounds is not None:
                raise spec.bounds.too_many()
            raise WrongContent(f"{about}: its answer has too many values", registry=spec.host.name)
        try:
            if len(response.body) < _LONG:
                return json.loads(response.body)
            async with self._reading:
                return await asyncio.to_thread(json.loads, response.body, object_hook=_unchanged)
        except (ValueError, RecursionError) as error:
            raise WrongContent(f"{about}: its answer is no JSON", registry=spec.host.name) from error

    # The registry's own API

    async def get_api(
        self,
        registry: str,
        path: str,
        *,
        query: Mapping[str, str],
        bearer: str | None = None,
        bounds: Bounds | None = None,
    ) -> Any:
        """JSON from the registry's tag API. `path` starts with "/"; `bounds`: of the list, for one of its pages.

        Raises Denied for 401 and 403, NotFound for 404.
        """
        spec = self._requests(registry).get_api(path, query, bearer=bearer, bounds=bounds)
        return await self._json(spec, await self._sender.send(spec), values=_API_VALUES)

    async def post_api(self, registry: str, path: str, *, body: Mapping[str, str]) -> Any:
        """Log in to the registry's tag API with `credential_for_api`; JSON both ways. Raises LoginRefused for a 401."""
        credential = await self.credential_for_api(registry)
        spec = self._requests(registry).post_api(path, body)
        response = await self._sender.send(spec)
        if response.ok:
            return await self._json(spec, response, values=_API_VALUES)
        refused = login_refused(spec, response, account=credential.username if credential else "nobody")
        if credential is not None:
            self._sender.refusals.remember(registry, credential, refused)
        raise refused

    # Logins

    async def credential_for_api(self, registry: str) -> Credential | None:
        """The login (`username`, `secret`) for the registry's tag API. Raises LoginRefused if it was refused before."""
        credential = await self._credentials.find_for_api(self._host(registry))
        self._sender.refusals.check(registry, credential)
        return credential

    async def credential_for_engine(self, registry: str, repository: str = "") -> dict[str, str] | None:
        """The login in the form of the Docker Engine API. `repository`: the name alone, for Podman's login files.

        Raises LoginRefused if it was refused before.
        """
        credential = await self._sender.logins.credential(self._host(registry), repository)
        return credential.for_engine() if credential else None

    def timeout(self, registry: str) -> float | None:
        """Seconds until an answer has to begin, if items.yml sets them (`timeout:`)."""
        return self._host(registry).timeout

    def host_for_engine(self, registry: str) -> str:
        """The host for pulls and pushes of a Docker Engine: that of the endpoint, if the user set one."""
        host = self._host(registry)
        return host.authority if host.moved else host.name

    async def log_in(self, registry: str) -> str:
        """Test the registry and its login; returns a sentence about what worked. Raises LoginRefused and others."""
        host = self._host(registry)
        credential = await self._sender.logins.credential(host)
        try:
            await self._sender.send(self._requests(registry).base())
        except Denied:
            if credential is not None:
                raise
            return f"{registry} answers; no login is set up, so only what is public can be read"
        if credential is None:
            return f"{registry} answers, without a login"
        if self._sender.logins.was_challenged(host):
            return f"logged in to {registry} as {credential.username}"
        return f"{registry} answers and asks for no login: that of {credential.username} was not tried"

    async def try_login(self, registry: str) -> bool:
        """Retry the login, even if it was refused before. Raises LoginRefused and others.

        False: there is none, or the registry does not ask for one.
        """
        host = self._host(registry)
        self._sender.logins.forget(registry)
        if await self._sender.logins.credential(host) is None:
            return False
        try:
            await self._sender.send(self._requests(registry).base())
        except Denied:
            return False
        return self._sender.logins.was_challenged(host)

    async def login_fingerprint(self, registry: str) -> str:
        """A salted fingerprint of the present login (or of none), to remember which one was refused."""
        return await asyncio.to_thread(credential_fingerprint, await self._identity(registry))

    async def matches(self, registry: str, known: str) -> bool:
        """Whether the fingerprint `known` is of the present login."""
        return await asyncio.to_thread(matches, await self._identity(registry), known)

    async def remember_refusal(
        self, registry: str, repository: str, shown: Mapping[str, str], error: LoginRefused
    ) -> None:
        """Remember that a registry refused the login `shown` by a Docker Engine, if that is still the present one."""
        credential = await self._credentials.find(self._host(registry), repository)
        if credential is not None and credential.for_engine() == shown:
            self._sender.refusals.remember(registry, credential, error)

    def forget_refusals(self, registry: str | None = None) -> None:
        """Forget refused logins, so that they are tried again; of one registry or of all."""
        self._sender.refusals.forget(registry)

    # Limits

    def slot(self, *registries: str) -> AbstractAsyncContextManager[None]:
        """A copy slot at each of the registries, acquired in sorted order, so that two copies cannot deadlock.

        Waits for the end of the registries' holds. Requests have separate slots: a copy may send them.
        """
        return self._sender.limits.copy({registry: self._host(registry).concurrency for registry in registries})

    def has_room(self, *registries: str) -> bool:
        """Whether no request waits for a slot at any of the registries: more work may be begun for them."""
        return self._sender.limits.has_room(registries)

    def hold(self, registry: str, until: datetime) -> None:
        """Send no requests to the registry before `until`; an earlier moment does not shorten a hold."""
        self._sender.limits.hold(registry, until)

    def held_until(self, registry: str) -> datetime | None:
        """The end of the registry's hold; None: there is none."""
        return self._sender.limits.held_until(registry)

    def quota(self, registry: str) -> Quota | None:
        """The last known pull quota of the registry."""
        return self._sender.limits.quota(registry)

    def present_limits(self) -> list[PresentLimits]:
        """The concurrency and the pull quota of every host that was asked for anything; a tag API has its own host."""
        return self._sender.limits.present()

    async def pull_at(self, source: Reference) -> datetime | None:
        """When a tag may be pulled, by the pull quota of its registry; None: now, and it is counted.

        If the last known quota was used up, it asks again by HEAD, which is free.
        """
        registry, pulls = source.repository.registry, self._sender.limits.pulls
        if pulls.is_outdated(registry, now=self._clock.now()):
            await self.head_manifest(source, expected=True)
        return pulls.grant(registry, now=self._clock.now())

    async def aclose(self) -> None:
        """Close the connection pool."""
        await self._sender.aclose()

    async def _identity(self, registry: str) -> str:
        try:
            return identify(await self._credentials.find(self._host(registry)))
        except LoginRefused:
            return "unavailable"  # not the same as no login: once its source works again, it has to be tried

    def _host(self, registry: str) -> Host:
        host = self._hosts.get(registry)
        if host is None:
            host = self._hosts[registry] = Host.resolve(registry, RegistryOptions())
        return host

    def _requests(self, registry: str) -> RequestBuilder:
        return RequestBuilder(self._host(registry), needs_login=registry in self._credentials.targets)


def _resolve(hosts: Mapping[str, RegistryOptions]) -> dict[str, Host]:
    return {name: Host.resolve(name, options) for name, options in hosts.items()}


def _unchanged(value: dict[str, Any]) -> dict[str, Any]:
    """An object_hook in Python lets threads switch inside json.loads, so that the event loop goes on."""
    return value


def _portions(names: Sequence[Any]) -> Iterator[list[str]]:
    """The valid tags in portions, each once a portion; at least one portion."""
    for start in range(0, max(1, len(names)), _NAMES_AT_ONCE):
        portion = names[start : start + _NAMES_AT_ONCE]
        yield list(dict.fromkeys(name for name in portion if isinstance(name, str) and is_tag(name)))
