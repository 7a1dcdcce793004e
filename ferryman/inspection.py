"""`ferryman check`: try everything that a copy needs, without copying."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferryman import planner
from ferryman.application import Application
from ferryman.errors import ConfigurationError, TransferError
from ferryman.items.model import Item
from ferryman.wording import counted

if TYPE_CHECKING:
    from ferryman.notify.recipients import NamedRecipient

_SHOWN = 3  # prefixes of targets in a message


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    what: str
    works: bool
    message: str


async def inspect(app: Application, *, actor: str) -> list[Finding]:
    """Check the configuration, the engine (if it is needed), every login, patterns of include, and URLs of messages.

    A registry that was paused, and accepts the login, is resumed in the name of `actor`.
    """
    from ferryman.notify.recipients import recipients  # noqa: PLC0415 - other commands take `Finding` from here

    items = app.configuration.items
    targets = {item.target.registry for item in items}
    sources = {item.source.registry for item in items} - targets
    app.registry.forget_refusals()
    message = f"{counted(len(items), 'item')}{_destinations(items)}"
    configuration = Finding(f"configuration {app.settings.items}", True, message)
    return [
        configuration,
        *_signatures(app),
        *await asyncio.gather(
            _engine(app),
            *(_registry(app, f"target {registry}", registry, actor) for registry in sorted(targets)),
            *(_registry(app, f"source {registry}", registry, actor) for registry in sorted(sources)),
        ),
        *[finding for item in items if item.rules.include for finding in await _includes(app, item)],
        *await _recipients(recipients(app.configuration, app.settings.notify)),
    ]


def _destinations(items: Sequence[Item]) -> str:
    """The targets of the items, without the images' names, for the message."""
    found = sorted({f"{str(item.target).rpartition('/')[0]}/" for item in items})
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f", to {', '.join(found[:_SHOWN])}{more}" if found else ""


def _signatures(app: Application) -> list[Finding]:
    """Whether the keys and trust stores of `verify_signatures` can be used."""
    try:
        if app.signatures_of(app.configuration) is None:
            return []
    except ConfigurationError as error:
        return [Finding("signatures", False, str(error))]
    return [Finding("signatures", True, "the keys and trust stores can be used")]


async def _includes(app: Application, item: Item) -> list[Finding]:
    """Warn about patterns that match no recorded tag; nothing is listed for that."""
    known = await app.record.ledger.known(str(item.target))
    names = [tag for tag, record in known.items() if record.gone_at is None and record.source == str(item.source)]
    idle = planner.unmatched_includes(item.rules, names) if names else ()
    return [
        Finding(
            f"include of {item.name}", True, f"warning: none of {counted(len(names), 'known tag')} matches {each!r}"
        )
        for each in idle
    ]


async def _recipients(named: "Sequence[NamedRecipient]") -> list[Finding]:
    """Whether apprise knows where messages go. Nothing is sent: `notify --test` does that."""
    from ferryman.notify import sending  # noqa: PLC0415 - as above

    errors = await sending.check([each.recipient.url for each in named])
    return [
        Finding(each.name, error is None, error or "messages go there; try it by `ferryman notify --test`")
        for each, error in zip(named, errors, strict=True)
    ]


async def _engine(app: Application) -> Finding:
    try:
        return Finding("engine", True, await app.transport.connect())
    except TransferError as error:
        return Finding("engine", False, str(error))


async def _registry(app: Application, what: str, registry: str, actor: str) -> Finding:
    try:
        message = await app.registry.log_in(registry)
        resumed = await app.pauses.resume_if_accepted(registry, actor=actor)
        return Finding(what, True, f"{message}; it was paused, and goes on" if resumed else message)
    except TransferError as error:
        return Finding(what, False, str(error))
