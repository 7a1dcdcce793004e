"""What a person, a webhook or a script may do: each call does what the command of its name does."""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field

from ferryman.errors import ConfigurationError
from ferryman.kinds import Depth, Repair
from ferryman.operations.cancel import cancel_copy
from ferryman.operations.known_items import KnownItems, known_items
from ferryman.operations.login import LoginTried, try_login
from ferryman.operations.look import request_look
from ferryman.operations.pauses import pause_work, resume_work, to_pause, to_resume
from ferryman.operations.requeue import count_requeue, requeue_tags
from ferryman.operations.subjects import registries_of, registry_named
from ferryman.operations.verify import request_verification
from ferryman.store.database.tables import TagCondition
from ferryman.store.queries.causes import PAUSING, of_group
from ferryman.store.queries.held_tags import HeldTags, read_held_tags
from ferryman.store.queries.item_tags import TagFilter
from ferryman.store.records import Outcome, TagState
from ferryman.views.documents.base import Document
from ferryman.views.documents.pauses import PauseDocument
from ferryman.web.api.endpoints import Body, Parameters, post
from ferryman.web.api.names import NO_ITEM, ItemParameters, TagParameters, named_item, named_tag
from ferryman.web.api.parameters import Flag, Name, Text
from ferryman.web.api.problems import NotNow, NotThere
from ferryman.web.context import context
from ferryman.web.refusals import Refused
from ferryman.web.security.gate import acting

_MOST_NAMES = 500
_LATER = {"Retry-After": "60"}
_NOBODY_LOOKS = {503: "No scheduler is alive, so nothing was recorded; or the database cannot be used."}


class LookRequestedDocument(Document):
    """A look that was asked for."""

    requested: Literal["now", "already"] = Field(
        description="`already`: the same was asked for a moment ago, and has not begun."
    )


@post("/look", status=202, problems=_NOBODY_LOOKS)
async def look_at_all(request: web.Request) -> LookRequestedDocument:
    """Look at all items as soon as possible, and copy what is new."""
    return await _request_look(request, None)


@post("/items/{name}/look", status=202, problems={**NO_ITEM, **_NOBODY_LOOKS})
async def look_at_item(request: web.Request, parameters: ItemParameters) -> LookRequestedDocument:
    """Look at the item as soon as possible, and copy what is new.

    For webhooks of registries and CI: the body does not matter, and many calls within a minute become one look, which
    begins after the last of them.
    """
    return await _request_look(request, str(named_item(request, parameters.name).target))


async def _request_look(request: web.Request, target: str | None) -> LookRequestedDocument:
    targets = None if target is None else [target]
    wanted = await request_look(context(request).record, targets, actor=acting(request))
    if not wanted.scheduler:
        raise Refused(503, "No process looks at items now: start `ferryman run` or `scheduler`.", headers=_LATER)
    return LookRequestedDocument(requested="now" if wanted.is_new else "already")


class VerifyBody(Body):
    """How deep, and what is repaired."""

    deep: bool | Literal["bytes"] = Field(
        default=False, description="Down to each blob; `bytes`: each is read and hashed.", examples=[True]
    )
    repair: bool | Literal["all"] = Field(
        default=False,
        description="Copy again what is missing or incomplete; `all`: also what somebody else has overwritten.",
        examples=[True],
    )

    @property
    def depth(self) -> Depth:
        """As the store takes it."""
        return "bytes" if self.deep == "bytes" else "contents" if self.deep else "tags"

    @property
    def rule(self) -> Repair:
        """As the store takes it."""
        return "all" if self.repair == "all" else "missing" if self.repair else "nothing"


class VerificationRequestedDocument(Document):
    """A verification that was asked for."""

    requested: Literal["now", "already"] = Field(description="`already`: the same was asked for, and has not ended.")


@post("/verify", status=202, problems=_NOBODY_LOOKS)
async def verify_all_items(request: web.Request, body: VerifyBody) -> VerificationRequestedDocument:
    """Compare the record of all items with what their targets have; `/findings` tells what is damaged."""
    return await _request_verification(
        request, {str(item.target) for item in context(request).application.configuration.items}, body
    )


@post("/items/{name}/verify", status=202, problems={**NO_ITEM, **_NOBODY_LOOKS})
async def verify_item(
    request: web.Request, parameters: ItemParameters, body: VerifyBody
) -> VerificationRequestedDocument:
    """Compare the record of the item with what its target has; `/findings` tells what is damaged."""
    return await _request_verification(request, {str(named_item(request, parameters.name).target)}, body)


async def _request_verification(
    request: web.Request, targets: set[str], body: VerifyBody
) -> VerificationRequestedDocument:
    record = context(request).record
    is_new = await request_verification(record, targets, body.depth, body.rule, actor=acting(request))
    if is_new is None:
        raise Refused(503, "No process verifies now: start `ferryman run` or `scheduler`.", headers=_LATER)
    return VerificationRequestedDocument(requested="now" if is_new else "already")


class PausesChangedDocument(Document):
    """What persons have paused, after a call."""

    changed: bool = Field(description="Whether the call has changed anything.")
    entries: list[PauseDocument] = Field(description="Every pause that is in force now, the widest first.")


Names = Annotated[list[Name], Field(max_length=_MOST_NAMES)]


class ResumeBody(Body):
    """What: nothing that is named means everything."""

    items: Names = Field([], description="Items: their names, sources or targets.", examples=[["etcd"]])
    registries: Names = Field([], description="Registries: their hosts.", examples=[["quay.io"]])


class PauseBody(ResumeBody):
    """What, and why: nothing that is named means everything."""

    note: Text | None = Field(None, description="Why: for those who wonder later.", examples=["moving the registry"])


_UNKNOWN = {404: "There is no such item, or no such registry."}


@post("/pause", problems=_UNKNOWN)
async def pause(request: web.Request, body: PauseBody) -> PausesChangedDocument:
    """Pause everything, items or registries: nothing of it is looked at or copied until it is resumed.

    Copies that run go on to their end. A pause survives restarts.
    """
    known = await _known(request)
    with _unknown_is_404():
        what = to_pause(known, body.items, body.registries)
    changed = await pause_work(context(request).record, what, actor=acting(request), note=body.note or None)
    return await _pauses(request, changed=bool(changed))


@post("/resume", problems=_UNKNOWN)
async def resume(request: web.Request, body: ResumeBody) -> PausesChangedDocument:
    """End such pauses; wider and narrower ones stay."""
    known, paused = await _known(request), await context(request).record.manual_pauses.read()
    with _unknown_is_404():
        what = to_resume(known, paused, body.items, body.registries)
    return await _pauses(request, changed=bool(await resume_work(context(request).record, what, actor=acting(request))))


async def _pauses(request: web.Request, *, changed: bool) -> PausesChangedDocument:
    paused = await context(request).record.manual_pauses.read()
    return PausesChangedDocument(changed=changed, entries=[PauseDocument.of(each) for each in paused.all])


async def _known(request: web.Request) -> KnownItems:
    return await known_items(context(request).record, context(request).application.configuration.items)


class CancelledDocument(Document):
    """A copy that was stopped."""

    cancelled: Literal[True] = Field(description="It undoes what it has begun; the tag counts as failed.")


_NOT_RUNNING = {409: "The tag is not being copied, or several items have this name."}


@post("/items/{name}/tags/{tag}/cancel", problems={**NO_ITEM, **_NOT_RUNNING})
async def cancel(request: web.Request, parameters: TagParameters) -> CancelledDocument:
    """Stop a copy that runs, in whichever process: here at once, elsewhere within a third of a lease.

    The next look, or a requeue, tries it again.
    """
    tag = await named_tag(request, parameters)
    if not await cancel_copy(context(request).record, tag.target, tag.tag, actor=acting(request)):
        raise NotNow(f"{tag.target}:{tag.tag} is not being copied: it is {tag.status}")
    return CancelledDocument(cancelled=True)


class CauseBody(Body):
    """A cause of failures, as `/failures` names it."""

    kind: Text | None = Field(description="The kind of the error; null: unknown.", examples=["denied"])
    registry: Name | None = Field(description="The registry that caused it; null: none did.", examples=["quay.io"])


class RequeueBody(Body):
    """Which tags: those for which all of this holds. Nothing: all that the rules want."""

    only_failed: bool = Field(default=False, description="Only tags that have failed.", examples=[True])
    cause: CauseBody | None = Field(None, description="Only tags that fail for this cause.")
    status: list[TagState] = Field(
        [], description="With any of these; `held`: queued until a login is accepted.", examples=[["failed"]]
    )
    reason: Text | None = Field(None, description="Skipped, or waiting, for this reason.", examples=["rate-limited"])
    kind: Text | None = Field(None, description="With an error of this kind.", examples=["denied"])
    outcome: Outcome | None = Field(None, description="Whose last attempt ended so.", examples=["failed"])
    text: Text = Field("", description="With this somewhere in the name.", examples=["v3"])

    def among(self, held: HeldTags, now: datetime) -> TagCondition:
        """As the store takes it. `held`: what waits for the end of a pause."""
        shown = TagFilter(
            statuses=self.status, reason=self.reason, kind=self.kind, outcome=self.outcome, text=self.text
        ).condition(held)
        return shown if self.cause is None else of_group(self.cause.kind, self.cause.registry, now) & shown

    @property
    def lifting(self) -> list[str] | None:
        """The registries whose pauses end: of a cause only its own. None: all that hold these tags back."""
        if self.cause is None:
            return None
        return [self.cause.registry] if self.cause.registry and self.cause.kind in PAUSING else []

    @property
    def in_words(self) -> str | None:
        """What was chosen, for the audit log; None: everything."""
        chosen = self.model_dump(exclude_defaults=True)
        return "; ".join(f"{name}: {value}" for name, value in chosen.items()) or None


class RequeuedDocument(Document):
    """How many tags are queued again."""

    tags: int = Field(description="How many are queued; with `dry_run`: how many would be.")
    dry_run: bool = Field(description="Nothing was changed.")


class RequeueParameters(Parameters):
    """Whether to do it."""

    dry_run: Flag = Field(default=False, description="Only say how many tags that would be.", examples=[True])


class ItemRequeueParameters(RequeueParameters, ItemParameters):
    """An item, and whether to do it."""


class TagRequeueParameters(RequeueParameters, TagParameters):
    """A tag, and whether to do it."""


@post("/requeue")
async def requeue_all(request: web.Request, parameters: RequeueParameters, body: RequeueBody) -> RequeuedDocument:
    """Queue tags of all items again, in a new round of attempts.

    That also ends the pauses of registries that hold these tags back, but no person's pause.
    """
    targets = {str(item.target) for item in context(request).application.configuration.items}
    return await _requeue(request, targets, parameters, body)


@post("/items/{name}/requeue", problems=NO_ITEM)
async def requeue_item(request: web.Request, parameters: ItemRequeueParameters, body: RequeueBody) -> RequeuedDocument:
    """Queue tags of an item again, in a new round of attempts."""
    return await _requeue(request, {str(named_item(request, parameters.name).target)}, parameters, body)


@post("/items/{name}/tags/{tag}/requeue", problems=NO_ITEM)
async def requeue_tag(request: web.Request, parameters: TagRequeueParameters) -> RequeuedDocument:
    """Queue a tag again, in a new round of attempts, also one that the rules leave out."""
    tag = await named_tag(request, parameters)
    return await _requeue(request, {tag.target}, parameters, _EVERY_TAG, tag=tag.tag)


_EVERY_TAG = RequeueBody()


async def _requeue(
    request: web.Request, targets: set[str], parameters: RequeueParameters, body: RequeueBody, *, tag: str | None = None
) -> RequeuedDocument:
    here = context(request)
    record, only_failed, lifting, now = here.record, body.only_failed, body.lifting, here.clock.now()
    async with record.database.read() as connection:
        among = body.among(await read_held_tags(connection, now), now)
    if parameters.dry_run:
        number = await count_requeue(record, targets, tag=tag, only_failed=only_failed, among=among, lifting=lifting)
    else:
        done = await requeue_tags(
            record, targets, tag=tag, only_failed=only_failed, among=among, lifting=lifting,
            detail=body.in_words, actor=acting(request),
        )  # fmt: skip
        number = done.queued
    return RequeuedDocument(tags=number, dry_run=parameters.dry_run)


class RegistryParameters(Parameters):
    """A registry."""

    host: Name = Field(description="Its host, as in items.yml.", examples=["quay.io"])


class LoginTriedDocument(Document):
    """What a registry said to a login."""

    accepted: bool = Field(description="Whether it accepted it.")
    resumed: bool = Field(description="Whether it was paused because of its login, and goes on.")
    message: str = Field(description="What it answered.")

    @classmethod
    def of(cls, tried: LoginTried) -> "LoginTriedDocument":
        """The document of a login."""
        return cls(accepted=tried.accepted, resumed=tried.resumed, message=tried.message)


@post("/registries/{host}/try-login", problems={404: "No item has its source or target there."})
async def try_registry_login(request: web.Request, parameters: RegistryParameters) -> LoginTriedDocument:
    """Try a registry's login now, and resume the registry if it was paused and accepts the login."""
    known = await _known(request)
    with _unknown_is_404():
        registry = registry_named(parameters.host, registries_of(known.current))
    return LoginTriedDocument.of(await try_login(context(request).application, registry, actor=acting(request)))


@contextlib.contextmanager
def _unknown_is_404() -> Iterator[None]:
    """Names that nothing has: Raises NotThere."""
    try:
        yield
    except ConfigurationError as error:
        raise NotThere(str(error)) from None


ENDPOINTS = (
    look_at_all, look_at_item, verify_all_items, verify_item, requeue_all, requeue_item, requeue_tag, cancel,
    pause, resume, try_registry_login,
)  # fmt: skip
