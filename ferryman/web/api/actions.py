"""What a person, a webhook or a script may do: each call does what the command of its name does."""

import contextlib
from collections.abc import Iterator
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field

from ferryman.errors import ConfigurationError
from ferryman.operations.cancel import cancel_copy
from ferryman.operations.known_items import KnownItems, known_items
from ferryman.operations.login import LoginTried, try_login
from ferryman.operations.look import request_look
from ferryman.operations.pauses import pause_work, resume_work, to_pause, to_resume
from ferryman.operations.subjects import registries_of, registry_named
from ferryman.views.documents.base import Document
from ferryman.views.documents.pauses import PauseDocument
from ferryman.web.api.endpoints import Body, Parameters, post
from ferryman.web.api.names import NO_ITEM, ItemParameters, TagParameters, named_item, named_tag
from ferryman.web.api.parameters import Name, Text
from ferryman.web.api.problems import NotNow, NotThere
from ferryman.web.context import context
from ferryman.web.refusals import Refused
from ferryman.web.security.gate import actor

_MOST_NAMES = 500
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
    wanted = await request_look(context(request).record, targets, actor=_actor(request))
    if not wanted.scheduler:
        headers = {"Retry-After": "60"}
        raise Refused(503, "No process looks at items now: start `ferryman run` or `scheduler`.", headers=headers)
    return LookRequestedDocument(requested="now" if wanted.is_new else "already")


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
    changed = await pause_work(context(request).record, what, actor=_actor(request), note=body.note or None)
    return await _pauses(request, changed=bool(changed))


@post("/resume", problems=_UNKNOWN)
async def resume(request: web.Request, body: ResumeBody) -> PausesChangedDocument:
    """End such pauses; wider and narrower ones stay."""
    known, paused = await _known(request), await context(request).record.manual_pauses.read()
    with _unknown_is_404():
        what = to_resume(known, paused, body.items, body.registries)
    return await _pauses(request, changed=bool(await resume_work(context(request).record, what, actor=_actor(request))))


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
    if not await cancel_copy(context(request).record, tag.target, tag.tag, actor=_actor(request)):
        raise NotNow(f"{tag.target}:{tag.tag} is not being copied: it is {tag.status}")
    return CancelledDocument(cancelled=True)


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
    return LoginTriedDocument.of(await try_login(context(request).application, registry, actor=_actor(request)))


@contextlib.contextmanager
def _unknown_is_404() -> Iterator[None]:
    """Names that nothing has: Raises NotThere."""
    try:
        yield
    except ConfigurationError as error:
        raise NotThere(str(error)) from None


def _actor(request: web.Request) -> str:
    """Who acts, for the audit log."""
    who = actor(request)
    assert who is not None  # noqa: S101 - the gate lets nobody else through
    return who.name


ENDPOINTS = (look_at_all, look_at_item, pause, resume, cancel, try_registry_login)
