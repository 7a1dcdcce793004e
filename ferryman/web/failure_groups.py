"""Failures as the page groups them: one group for each cause, whatever it keeps from being copied or looked at."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ferryman.i18n.texts import _, current
from ferryman.operations.failures import FailingTags, read_failures
from ferryman.record import Record
from ferryman.remedies import remedy_for
from ferryman.store.ledger import LookupFailure
from ferryman.store.queries.causes import LOGIN, Example
from ferryman.store.records import RegistryState
from ferryman.views.verdict_sentences import cause_in_words
from ferryman.web.requeue_forms import count, of_cause

_MOST_REMEDIES = 3  # of one cause: its errors may read differently


@dataclass(slots=True)
class FailureGroup:
    """One cause: a kind of error, and the registry that caused it."""

    kind: str | None
    registry: str | None
    since: datetime
    failed: int = 0  # tags that failed for good
    retried: int = 0  # tags that are tried again by themselves
    unread: int = 0  # tags that were mirrored before, and cannot be read now
    outdated: int = 0  # of all of them: the target has an earlier copy
    targets: set[str] = field(default_factory=set)  # items with such tags
    examples: list[Example] = field(default_factory=list)
    lookups: list[LookupFailure] = field(default_factory=list)  # items that cannot be looked at
    paused: RegistryState | None = None  # the registry is paused until it accepts the login
    requeueable: int = 0  # tags that would be queued, with those that wait for the registry

    @property
    def title(self) -> str:
        """What it means, as a sentence."""
        text = cause_in_words(self.kind, self.registry, None, current().texts)
        return text if self.registry and text.startswith(self.registry) else text[:1].upper() + text[1:]

    @property
    def tags(self) -> int:
        """All its tags."""
        return self.failed + self.retried + self.unread

    @property
    def items(self) -> int:
        """Items that it touches."""
        return len(self.targets | {each.target for each in self.lookups})

    @property
    def by_error(self) -> Mapping[str | None, Sequence[Example]]:
        """The examples by their error, in their order: many tags say the same."""
        found: dict[str | None, list[Example]] = {}
        for each in self.examples:
            found.setdefault(each.error, []).append(each)
        return found

    @property
    def errors(self) -> Sequence[str | None]:
        """The errors of its examples, its items and its registry."""
        paused = [] if self.paused is None else [self.paused.error]
        return [*paused, *(each.error for each in self.examples), *(each.error for each in self.lookups)]

    @property
    def remedies(self) -> Sequence[str]:
        """What mends it: of each error that is known, in the reader's language."""
        found = dict.fromkeys(remedy_for(error) for error in self.errors)
        return [_(text) for text in found][:_MOST_REMEDIES]


async def read_groups(
    record: Record, targets: Collection[str], registries: Collection[str], *, now: datetime
) -> list[FailureGroup]:
    """The causes of all that fails of these items, the newest first. Raises StoreError.

    `registries`: theirs. One that refuses the login is a cause, too.
    """
    failures = await read_failures(record, targets)
    refusing = [
        each for each in await record.queue.paused_registries() if each.until is None and each.registry in registries
    ]
    groups = _grouped(failures.tags, [one for cause in failures.lookups for one in cause.failures], refusing)
    for group in groups:
        group.requeueable = await count(record, of_cause(targets, group.kind, group.registry, now))
    return sorted(groups, key=lambda group: (group.since, group.tags), reverse=True)


def _grouped(
    tags: Iterable[FailingTags], lookups: Iterable[LookupFailure], refusing: Iterable[RegistryState]
) -> list[FailureGroup]:
    groups: dict[tuple[str | None, str | None], FailureGroup] = {}

    def group(kind: str | None, registry: str | None, since: datetime) -> FailureGroup:
        found = groups.setdefault((kind, registry), FailureGroup(kind, registry, since))
        found.since = min(found.since, since)
        return found

    for each in tags:
        cause = each.cause
        _add(group(cause.kind, cause.registry, cause.since), each)
    for failure in lookups:
        if failure.since is not None:
            group(failure.error_kind, failure.registry, failure.since).lookups.append(failure)
    for state in refusing:
        group(LOGIN, state.registry, state.since).paused = state
    return list(groups.values())


def _add(group: FailureGroup, failing: FailingTags) -> None:
    cause = failing.cause
    if cause.status == "failed":
        group.failed += cause.tags
    elif cause.status == "queued":
        group.retried += cause.tags
    else:
        group.unread += cause.tags
    group.outdated += cause.outdated
    group.targets |= set(cause.targets)
    group.examples += failing.examples
