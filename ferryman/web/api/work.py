"""What was done, and by whom: cycles, samples for charts, processes, and what runs now."""

from datetime import timedelta
from typing import Annotated

from aiohttp import web
from pydantic import Field

from ferryman.operations.services import services_liveness
from ferryman.views.documents.base import Document
from ferryman.views.documents.cycles import CycleDocument, SampleDocument
from ferryman.views.documents.pauses import ActionDocument
from ferryman.views.documents.services import RunningDocument, ServiceDocument
from ferryman.web.api.cursors import Cursor
from ferryman.web.api.endpoints import Parameters, get
from ferryman.web.api.paging import Page, Paged
from ferryman.web.api.parameters import Number
from ferryman.web.context import context

_LONGEST = 35 * 24  # hours for which samples are kept


class CyclePage(Page[CycleDocument]):
    """Cycles, the newest first."""


class CyclesParameters(Paged):
    """Which cycles."""

    cursor: Annotated[tuple[int], Cursor()] | None = Field(None, description="From `next` of the page before.")


@get("/cycles")
async def list_cycles(request: web.Request, parameters: CyclesParameters) -> CyclePage:
    """The cycles of all schedulers, the newest first."""
    before = parameters.cursor[0] if parameters.cursor else None
    rows = await context(request).record.cycles.latest(parameters.limit + 1, before=before)
    return CyclePage.of(request, rows, limit=parameters.limit, document=CycleDocument.of, key=lambda row: (row.id,))


class ActionPage(Page[ActionDocument]):
    """The audit log, newest first."""


class ActionsParameters(Paged):
    """Which actions."""

    cursor: Annotated[tuple[int], Cursor()] | None = Field(None, description="From `next` of the page before.")


@get("/actions")
async def list_actions(request: web.Request, parameters: ActionsParameters) -> ActionPage:
    """The audit log: what persons did within a year, the newest first."""
    before = parameters.cursor[0] if parameters.cursor else None
    rows = await context(request).record.actions.list(before=before, most=parameters.limit + 1)
    return ActionPage.of(request, rows, limit=parameters.limit, document=ActionDocument.of, key=lambda row: (row.id,))


class SampleList(Document):
    """Samples of the queue and of the work, oldest first. Five minutes in which no process ran have none."""

    entries: list[SampleDocument] = Field(description="One for every five minutes.")


class SamplesParameters(Parameters):
    """How far back."""

    hours: Annotated[Number, Field(ge=1, le=_LONGEST)] = Field(24, description="How far back.")


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
    return ServiceList(entries=[ServiceDocument.of(each) for each in await services_liveness(context(request).record)])


class RunningList(Document):
    """The copies that run."""

    entries: list[RunningDocument] = Field(description="By process, the oldest of each first.")


@get("/running")
async def list_running(request: web.Request) -> RunningList:
    """What moves now, in all processes: as they said in their last heartbeats, at most 15 seconds ago.

    What this process copies is told at once by `/events`.
    """
    services = await services_liveness(context(request).record)
    return RunningList(
        entries=[
            RunningDocument.of(each.service.owner, job)
            for each in services
            if each.alive
            for job in (each.service.details or {}).get("jobs", ())
        ]
    )


ENDPOINTS = (list_actions, list_cycles, list_samples, list_services, list_running)
