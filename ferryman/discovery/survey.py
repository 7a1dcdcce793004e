"""Surveys a repository: lists its tags, then reads the digests and ages that the list did not include.

If upstream lists the newest tags first, the walk over the pages ends early: after a page without changes, nothing has
changed on later pages either. Tags that the walk does not reach keep their known values.
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
    """The state of a repository."""

    tags: Sequence[UpstreamTag]  # all known tags, without those that are gone
    seen: frozenset[str]  # names that upstream listed or answered this time
    gone: frozenset[str]  # known names that upstream no longer has
    complete: bool  # the walk went to the last page
    problems: Sequence[TagProblem]  # tags that could not be read, and keep their known values
    probed: frozenset[str] = frozenset()  # names whose digest was asked for, one by one, and answered
    requests: int = 0  # for single tags, beside the list


async def survey(
    *,
    lister: TagLister | None,
    client: RegistryClient,
    repository: Repository,
    known: Mapping[str, UpstreamTag],
    selector: TagSelector,
    unread: Collection[str] = (),
    rested: Collection[str] = (),
    complete: bool = False,
) -> Survey:
    """Survey a repository. `known`: the tags that earlier surveys found, without those that are gone.

    `complete`: walk to the last page, so that tags which upstream no longer has are noticed, and ask for manifests
    themselves, not only whether tags have moved. `unread`: known tags that could not be read the last time. They are
    read again, wherever the walk ends. `lister` None: only they are read. `rested`: known tags that are not asked for
    this time, if they are listed by name only.
    Raises TransferError if the repository cannot be read; an error of one tag becomes a TagProblem.
    """
    view = TagView(known, unread, rested)
    ended = lister is not None and await _walk(lister, repository, view, selector, complete=complete)
    enricher = TagEnricher(client, repository, view, known, unread, thorough=complete)
    await enricher.enrich(selector)
    return Survey(
        tags=tuple(view.tags.values()),
        seen=frozenset(view.seen),
        gone=frozenset(known.keys() - view.tags.keys()),
        complete=ended,
        problems=tuple(enricher.problems.values()),
        probed=frozenset(enricher.probed),
        requests=enricher.requests,
    )


async def _walk(
    lister: TagLister, repository: Repository, view: TagView, selector: TagSelector, *, complete: bool
) -> bool:
    """Merge the pages into the view. True if the walk went to the last page."""
    async with aclosing(lister.pages(repository)) as pages:
        async for page in pages:
            unchanged = view.merge(page)
            if complete or not view.newest_first:
                continue
            if unchanged and not selector.needs_older(view.tags.values()):
                return False
            if selector.is_limit_reached(view.tags[name] for name in view.seen):
                view.add_doubtful(name for name in selector.pinned_names if name not in view.seen)
                return False
    view.drop_unseen()
    return True
