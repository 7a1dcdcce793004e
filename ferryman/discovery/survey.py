"""One look at a repository: a walk over its tags, and a enricher look at those whose digest or time no list told.

A walk ends early where upstream lists its newest tags first: behind a page on which nothing has changed,
nothing has changed at all. What the walk does not reach is taken as it was known.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from ferryman.discovery.base import TagLister, TagProblem, TagSelector, UpstreamTag
from ferryman.discovery.enrichment import TagEnricher
from ferryman.discovery.tag_view import TagView
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient


@dataclass(frozen=True, slots=True)
class Survey:
    """What a repository has now."""

    tags: Sequence[UpstreamTag]  # the complete known view, without what is gone
    seen: frozenset[str]  # names that upstream showed this time
    gone: frozenset[str]  # names that were known, and that upstream no longer has
    complete: bool  # the walk went to the end
    problems: Sequence[TagProblem]  # tags that stay as they were known


async def survey(
    *,
    lister: TagLister | None,
    client: RegistryClient,
    repository: Repository,
    known: Mapping[str, UpstreamTag],
    choice: TagSelector,
    unread: Collection[str] = (),
    complete: bool = False,
) -> Survey:
    """Look at a repository. `known` is what earlier walks saw, without what was gone; empty before the first one.

    `complete` walks to the end, so that tags which upstream no longer has are noticed. `unread` are known tags that
    could not be read the last time: they are read again, wherever they stand. `lister` None: only they are.
    Raises TransferError where the repository cannot be looked at; one tag's trouble is a TagProblem.
    """
    view = TagView(known, unread)
    ended = lister is not None and await _walk(lister, repository, view, choice, complete=complete)
    enricher = TagEnricher(client, repository, view, known, unread)
    await enricher.at_what_matters(choice)
    return Survey(
        tags=tuple(view.tags.values()),
        seen=frozenset(view.seen),
        gone=frozenset(known.keys() - view.tags.keys()),
        complete=ended,
        problems=tuple(enricher.problems.values()),
    )


async def _walk(
    lister: TagLister, repository: Repository, view: TagView, choice: TagSelector, *, complete: bool
) -> bool:
    """Fill the view; whether the walk went to the end."""
    async with aclosing(lister.pages(repository)) as pages:
        async for page in pages:
            quiet = view.take(page)
            if complete or not view.newest_first:
                continue
            if quiet and not choice.has_places_left(view.tags.values()):
                return False
            if choice.is_met_by(view.tags[name] for name in view.seen):
                view.doubt(name for name in choice.pins if name not in view.seen)
                return False
    view.drop_unseen()
    return True
