"""What holds the mirror up: failures by cause, pauses by persons."""

from typing import Self

from aiohttp import web
from pydantic import Field

from ferryman.item_names import named
from ferryman.operations.subjects import registries_of
from ferryman.remedies import remedy_for
from ferryman.store.queries.causes import Example
from ferryman.store.queries.findings import read_findings
from ferryman.views.documents.base import Document, Time
from ferryman.views.documents.damage import DamageDocument
from ferryman.views.documents.items import LookupFailureDocument
from ferryman.views.documents.pauses import PauseDocument
from ferryman.views.verdict_sentences import cause_in_words
from ferryman.web.api.endpoints import get
from ferryman.web.api.paging import Page, Paged, by_id, number_of
from ferryman.web.context import context
from ferryman.web.failure_groups import FailureGroup, read_groups


class FailedTagDocument(Document):
    """A tag that fails, as an example."""

    item: str = Field(description="The item's name.")
    target: str = Field(description="The repository that it is mirrored to.")
    tag: str = Field(description="The tag's name.")
    error: str | None = Field(description="The last error.")
    failed_at: Time = Field(description="Since when it fails.")

    @classmethod
    def of(cls, example: Example) -> Self:
        """The document of an example."""
        return cls(**{name: getattr(example, name) for name in cls.model_fields})


class CauseDocument(Document):
    """A cause of failures: a kind of error, and the registry that caused it."""

    kind: str | None = Field(description="The kind of the error: one word to match; null: unknown.")
    registry: str | None = Field(description="The registry that caused it; null: none did.")
    meaning: str = Field(description="What that means.")
    remedies: list[str] = Field(description="What mends it: one for each of its errors that is known.")
    since: Time = Field(description="The first failure.")
    failed: int = Field(description="Tags that failed for good.")
    retried: int = Field(description="Tags that are tried again by themselves.")
    unread: int = Field(description="Tags that were mirrored before, and cannot be read now.")
    outdated: int = Field(description="Those of all these of which the target has an earlier copy.")
    requeueable: int = Field(description="Tags that a requeue of this cause would queue.")
    targets: list[str] = Field(description="The items with such tags, by target.")
    examples: list[FailedTagDocument] = Field(description="The tags that failed last, a few.")
    lookups: list[LookupFailureDocument] = Field(description="Items that cannot be listed.")
    login_refused_since: Time | None = Field(description="Since when the registry is paused for its login.")

    @classmethod
    def of(cls, group: FailureGroup) -> Self:
        """The document of a cause."""
        return cls(
            kind=group.kind,
            registry=group.registry,
            meaning=cause_in_words(group.kind, group.registry, None),
            remedies=list(dict.fromkeys(remedy_for(error) for error in group.errors)),
            since=group.since,
            failed=group.failed,
            retried=group.retried,
            unread=group.unread,
            outdated=group.outdated,
            requeueable=group.requeueable,
            targets=sorted(group.targets),
            examples=[FailedTagDocument.of(each) for each in group.examples],
            lookups=[LookupFailureDocument.of(each) for each in group.lookups],
            login_refused_since=group.paused.since if group.paused else None,
        )


class CauseList(Document):
    """All that fails, by cause."""

    entries: list[CauseDocument] = Field(description="The newest cause first.")


@get("/failures")
async def list_failures(request: web.Request) -> CauseList:
    """What fails, grouped by cause, with what it means and what mends it."""
    items = named(context(request).application.configuration.items)
    here = context(request)
    groups = await read_groups(here.record, {item.target for item in items}, registries_of(items), now=here.clock.now())
    return CauseList(entries=[CauseDocument.of(each) for each in groups])


class FindingPage(Page[DamageDocument]):
    """What is damaged at the targets."""


@get("/findings")
async def list_findings(request: web.Request, parameters: Paged) -> FindingPage:
    """What verifications have found damaged at the targets, with the record beside it."""
    targets = {str(item.target) for item in context(request).application.configuration.items}
    after = number_of(parameters.cursor) or 0
    async with context(request).record.database.read() as connection:
        found = await read_findings(connection, targets, after=after, most=parameters.limit + 1)
    return FindingPage.of(request, by_id(found, parameters.limit), DamageDocument.of)


class PauseList(Document):
    """What persons have paused."""

    entries: list[PauseDocument] = Field(description="Every pause that is in force, the widest first.")


@get("/pauses")
async def list_pauses(request: web.Request) -> PauseList:
    """What persons have paused."""
    paused = await context(request).record.manual_pauses.read()
    return PauseList(entries=[PauseDocument.of(each) for each in paused.all])


ENDPOINTS = (list_failures, list_findings, list_pauses)
