"""What holds the mirror up: failures by cause, pauses by persons."""

from aiohttp import web
from pydantic import Field

from ferryman.operations.failures import read_failures
from ferryman.views.documents.base import Document
from ferryman.views.documents.failures import FailuresDocument
from ferryman.views.documents.pauses import PauseDocument
from ferryman.web.api.endpoints import get
from ferryman.web.context import context


@get("/failures")
async def list_failures(request: web.Request) -> FailuresDocument:
    """What fails, grouped by cause, with what it means and what mends it."""
    targets = {str(item.target) for item in context(request).application.configuration.items}
    return FailuresDocument.of(await read_failures(context(request).record, targets))


class PauseList(Document):
    """What persons have paused."""

    entries: list[PauseDocument] = Field(description="Every pause that is in force, the widest first.")


@get("/pauses")
async def list_pauses(request: web.Request) -> PauseList:
    """What persons have paused."""
    paused = await context(request).record.manual_pauses.read()
    return PauseList(entries=[PauseDocument.of(each) for each in paused.all])


ENDPOINTS = (list_failures, list_pauses)
