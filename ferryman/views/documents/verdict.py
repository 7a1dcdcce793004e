"""The verdict as JSON, for /readyz and the API."""

import re
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from typing import cast

from pydantic import Field, JsonValue

from ferryman.operations.signals import Signal, State
from ferryman.operations.verdict import Verdict
from ferryman.store.queries.counts import TagCounts
from ferryman.views.documents.base import Document, Time, iso


class SignalDocument(Document):
    """Something that an operator should know."""

    signal: str = Field(description="What it is: one word to match.")
    state: State = Field(description="The mirror's state if this is the worst signal.")
    sentence: str = Field(description="What it is, for people.")
    since: Time | None = Field(description="Since when.")
    facts: dict[str, JsonValue] = Field(description="Names and numbers of the sentence.")


class CountsDocument(Document):
    """Numbers of tags, of one item or of all."""

    wanted: int = Field(description="Mirrored, or to be mirrored.")
    synced: int = Field(description="The target has them.")
    queued: int = Field(description="They wait for a worker: due, waiting, held and quarantined ones.")
    due: int = Field(description="Queued, and may run now.")
    waiting: int = Field(description="Queued for later: for a retry, or the end of a rate limit.")
    held: int = Field(description="Queued until the login at their registry is accepted.")
    quarantined: int = Field(description="Queued until upstream has their digests for `min_age`.")
    running: int = Field(description="They are copied now.")
    failed: int = Field(description="They failed for good.")
    missing: int = Field(description="Wanted, and the target has nothing of them.")
    outdated: int = Field(description="Wanted, and the target has an earlier copy.")
    unread: int = Field(description="Synced, and upstream's tag cannot be read now.")
    put_back: int = Field(description="Persons have put them back, and nothing is copied over them.")
    changed: int = Field(
        description="Synced; upstream has changed these version tags, and nothing is copied until a person decides."
    )
    skipped: int = Field(description="Not wanted, or there is nothing to copy.")
    gone: int = Field(description="Upstream no longer lists them.")

    @classmethod
    def of(cls, counts: TagCounts) -> "CountsDocument":
        """The document of these counts."""
        return cls(**{name: getattr(counts, name) for name in cls.model_fields})


class VerdictDocument(Document):
    """How the mirror is: the worst signal first."""

    state: State = Field(description="In one word.")
    ready: bool = Field(description="Whether Ferryman itself works.")
    sentence: str = Field(description="The worst signal, for people.")
    since: Time | None = Field(description="Since when it is so.")
    items: int = Field(description="The number of items.")
    tags: CountsDocument
    signals: list[SignalDocument]

    @classmethod
    def of(cls, verdict: Verdict, *, headline: str, in_words: Callable[[Signal], str]) -> "VerdictDocument":
        """The document of a verdict, with sentences in any language (see verdict_sentences.py)."""
        return cls(
            state=verdict.state,
            ready=verdict.ready,
            sentence=headline,
            since=verdict.worst.since,
            items=verdict.items,
            tags=CountsDocument.of(verdict.counts),
            signals=[_signal(each, in_words(each)) for each in verdict.signals],
        )


def _json(value: object) -> JsonValue:
    return iso(value) if isinstance(value, datetime) else cast("JsonValue", value)


def _signal(signal: Signal, sentence: str) -> SignalDocument:
    facts = {each.name: _json(getattr(signal, each.name)) for each in fields(signal) if each.name != "since"}
    name = re.sub(r"(?<!^)(?=[A-Z])", "-", type(signal).__name__).lower()
    return SignalDocument(signal=name, state=signal.state, sentence=sentence, since=signal.since, facts=facts)
