"""What every handler may use: one object, kept in the web application."""

from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from ferryman.application import Application
from ferryman.clock import Clock
from ferryman.events import Events
from ferryman.operations.image_sizes import ImageSizes
from ferryman.record import Record
from ferryman.settings import Settings
from ferryman.views.running_jobs import RunningJobs

Role = Literal["run", "scheduler", "worker"]


@dataclass(frozen=True, slots=True)
class Context:
    """The running Ferryman, as the page's handlers see it."""

    application: Application
    role: Role
    running: RunningJobs  # what this process does now

    @property
    def record(self) -> Record:
        """The state database and its interfaces."""
        return self.application.record

    @property
    def settings(self) -> Settings:
        """The settings of this process."""
        return self.application.settings

    @property
    def events(self) -> Events:
        """What happens in this process, as it happens."""
        return self.application.events

    @property
    def clock(self) -> Clock:
        """The only source of time."""
        return self.application.clock


CONTEXT = web.AppKey("context", Context)
SIZES = web.AppKey("image_sizes", ImageSizes)  # one for the page and the API: what one has read, the other knows


def context(request: web.Request) -> Context:
    """The context of the application that serves this request."""
    return request.app[CONTEXT]
