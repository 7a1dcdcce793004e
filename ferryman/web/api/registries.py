"""The registries of the items: which of them hold something up, and what each gets."""

from dataclasses import asdict
from typing import Self

from aiohttp import web
from pydantic import Field

from ferryman.item_names import named
from ferryman.operations.overview import read_overview
from ferryman.views.documents.base import Document, Time
from ferryman.web.api.endpoints import get
from ferryman.web.context import context
from ferryman.web.processes import running_processes
from ferryman.web.registry_cards import RegistryCard, RegistryStatus, cards


class QuotaDocument(Document):
    """The pulls that a registry still allows, and how far they go."""

    limit: int = Field(description="Pulls in the registry's window of time.")
    remaining: int = Field(description="Those that are left.")
    tags_left: int = Field(description="Tags that may be pulled with them.")
    queued: int = Field(description="Tags that wait for pulls.")
    enough_until: Time | None = Field(
        description="When all of them can have been pulled; null: now, or it cannot be said."
    )


class RegistryDocument(Document):
    """One registry."""

    host: str = Field(description="Its host.", examples=["quay.io"])
    status: RegistryStatus = Field(
        description="`limited`: it limits requests; `refused`: it refuses the login; `paused`: by a person."
    )
    since: Time | None = Field(description="Since when it is so.")
    until: Time | None = Field(description="When a limit on requests ends.")
    error: str | None = Field(description="What it answered, or the note of the pause.")
    tried_at: Time | None = Field(description="The last login, of a refused one.")
    is_source: bool = Field(description="Whether an item has its source there.")
    is_target: bool = Field(description="Whether an item has its target there.")
    items: int = Field(description="Items that have their source or target there.")
    tags: int = Field(description="Tags that wait for it, or fail because of it.")
    requests: int | None = Field(description="Requests at once, now; null: nobody has asked it for anything yet.")
    copies: int | None = Field(description="Copies at once, now; null: as above.")
    quota: QuotaDocument | None = Field(description="Its quota of pulls, where it names one.")
    undeleted: int = Field(description="Tags that stay, although `prune` has them go, because it refuses to delete.")
    deletes_refused_at: Time | None = Field(description="When it refused that; null: no tag stays because of it.")

    @classmethod
    def of(cls, card: RegistryCard) -> Self:
        """The document of a registry."""
        return cls(**asdict(card))


class RegistryList(Document):
    """The registries of the items."""

    entries: list[RegistryDocument] = Field(description="Those with troubles first.")


@get("/registries")
async def list_registries(request: web.Request) -> RegistryList:
    """The registries of the items: limits, refused logins, quotas, and how much each gets at once."""
    here = context(request)
    items = named(here.application.configuration.items)
    overview = await read_overview(here.record, items, now=here.clock.now(), looks=False)
    limits = [each for process in running_processes(here, overview.services).values() for each in process.limits]
    found = cards(overview, items, limits)
    return RegistryList(entries=[RegistryDocument.of(each) for each in found])


ENDPOINTS = (list_registries,)
