"""What was done, and by whom: cycles, samples for charts, processes, and what runs now."""

from datetime import timedelta
from typing import Annotated

from aiohttp import web
from pydantic import Field

from ferryman.operations.services import services_liveness
from ferryman.operations.waiting import wait_of
from ferryman.store.queries.activity import ActivityFilter, read_activity
from ferryman.store.queries.running import read_running
from ferryman.store.queries.waiting import read_waiting
from ferryman.store.records import Outcome, WaitingTag
from ferryman.views.documents.base import Document
from ferryman.views.documents.cycles import CycleDocument, SampleDocument
from ferryman.views.documents.pauses import ActionDocument
from ferryman.views.documents.queue import ActivityDocument, RunningDocument, RunningLookDocument, WaitingDocument
from ferryman.views.documents.services import ServiceDocument
from ferryman.web.api.endpoints import Parameters, get
from ferryman.web.api.names import NO_ITEM, named_item
from ferryman.web.api.paging import Page, Paged, by_id, number_of
from ferryman.web.api.parameters import DIGITS, Name, Text
from ferryman.web.context import context
from ferryman.web.processes import running_processes, supplies_of

_LONGEST = 35 * 24  # hours for which samples are kept


class CyclePage(Page[CycleDocument]):
    """Cycles, the newest first."""


@get("/cycles")
async def list_cycles(request: web.Request, parameters: Paged) -> CyclePage:
    """The cycles of all schedulers, the newest first."""
    size, before = parameters.limit, number_of(parameters.cursor)
    rows = await context(request).record.cycles.latest(size + 1, before=before)
    return CyclePage.of(request, by_id(rows, size), CycleDocument.of)


class ActionPage(Page[ActionDocument]):
    """The audit log, newest first."""


@get("/actions")
async def list_actions(request: web.Request, parameters: Paged) -> ActionPage:
    """The audit log: what persons did within a year, the newest first."""
    size, before = parameters.limit, number_of(parameters.cursor)
    rows = await context(request).record.actions.list(before=before, most=size + 1)
    return ActionPage.of(request, by_id(rows, size), ActionDocument.of)


class SampleList(Document):
    """Samples of the queue and of the work, oldest first. Five minutes in which no process ran have none."""

    entries: list[SampleDocument] = Field(description="One for every five minutes.")


class SamplesParameters(Parameters):
    """How far back."""

    hours: Annotated[int, Field(ge=1, le=_LONGEST), DIGITS] = Field(24, description="How far back.")


@get("/samples")
async def list_samples(request: web.Request, parameters: SamplesParameters) -> SampleList:
    """The numbers of the page's charts: throughput, queue length and queue latency."""
    since = context(request).clock.now() - timedelta(hours=parameters.hours)
    samples = await context(request).record.samples.since(since)
    return SampleList(entries=[SampleDocument.of(each) for each in samples])


class ServiceList(Document):
    """The processes that run on the database."""

    entries: list[ServiceDocument] = Field(description="The newest heartbeat first.")


@get("/services")
async def list_services(request: web.Request) -> ServiceList:
    """Who works: every process that is not known to be dead."""
    services = await services_liveness(context(request).record)
    details = running_processes(context(request), services)
    return ServiceList(entries=[ServiceDocument.of(each, details.get(each.service.owner)) for each in services])


class RunningList(Document):
    """What moves now."""

    copies: list[RunningDocument] = Field(description="Tags that are copied; those that began first stand first.")
    looks: list[RunningLookDocument] = Field(description="Items whose sources are listed.")


@get("/running")
async def list_running(request: web.Request) -> RunningList:
    """What moves now, in all processes.

    How far each copy is, its process says every 15 seconds, and this one at once.
    """
    here = context(request)
    details = running_processes(here, await services_liveness(here.record)).values()
    jobs = {(job.target, job.tag): job for each in details for job in each.jobs}
    async with here.record.database.read() as connection:
        running = await read_running(connection, _targets(request))
    return RunningList(
        copies=[RunningDocument.of(each, jobs.get((each.target, each.tag))) for each in running],
        looks=[RunningLookDocument.of(look) for each in details for look in each.looks],
    )


class ActivityPage(Page[ActivityDocument]):
    """Attempts, the newest first."""


class ActivityParameters(Paged):
    """Which attempts: those for which all of this holds."""

    item: Name | None = Field(None, description="Of this item: its name, source or target.", examples=["etcd"])
    outcome: Outcome | None = Field(None, description="That ended so.")
    kind: Text | None = Field(None, description="With an error of this kind.", examples=["unreachable"])
    text: Text = Field("", description="With this somewhere in the tag's name.", examples=["v3"])


@get("/activity", problems=NO_ITEM)
async def list_activity(request: web.Request, parameters: ActivityParameters) -> ActivityPage:
    """Every attempt of 30 days, the newest first.

    A page may have fewer entries than `limit`, even none, and not be the last: go on until `next` is null.
    """
    target = str(named_item(request, parameters.item).target) if parameters.item else None
    shown = ActivityFilter(target=target, outcome=parameters.outcome, kind=parameters.kind, text=parameters.text)
    async with context(request).record.database.read() as connection:
        page = await read_activity(connection, shown, size=parameters.limit, cursor=parameters.cursor)
    return ActivityPage.of(request, page, ActivityDocument.of)


class WaitingPage(Page[WaitingDocument]):
    """Queued tags, in the order in which they will run."""


class WaitingParameters(Paged):
    """Which queued tags."""

    item: Name | None = Field(None, description="Of this item: its name, source or target.", examples=["etcd"])


@get("/waiting", problems=NO_ITEM)
async def list_waiting(request: web.Request, parameters: WaitingParameters) -> WaitingPage:
    """What is queued, and what it waits for.

    First what may run now, then what waits for a time, then what waits for a login.
    """
    here, now = context(request), context(request).clock.now()
    targets = {str(named_item(request, parameters.item).target)} if parameters.item else _targets(request)
    paused = await here.record.manual_pauses.read()
    supplies = supplies_of(here, await services_liveness(here.record))
    async with here.record.database.read() as connection:
        page = await read_waiting(connection, targets, now, size=parameters.limit, cursor=parameters.cursor)

    def document(tag: WaitingTag) -> WaitingDocument:
        return WaitingDocument.of(tag, wait_of(tag, now, paused=paused, supplies=supplies))

    return WaitingPage.of(request, page, document)


def _targets(request: web.Request) -> set[str]:
    return {str(item.target) for item in context(request).application.configuration.items}


ENDPOINTS = (
    list_activity, list_waiting, list_running, list_actions,
    list_cycles, list_samples, list_services,
)  # fmt: skip
