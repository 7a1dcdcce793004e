"""Shared by the tests of discovery: repositories, and a complete walk over a lister's pages."""

from collections.abc import Sequence

from ferryman.discovery.base import Page, TagLister, UpstreamTag
from ferryman.reference import Repository

NGINX = Repository.parse("docker.io/library/nginx")
FLANNEL = Repository.parse("quay.io/coreos/flannel")
PAUSE = Repository.parse("gcr.io/google/pause")


async def walk(lister: TagLister, repository: Repository) -> list[Page]:
    return [page async for page in lister.pages(repository)]


def tags_of(pages: Sequence[Page]) -> list[UpstreamTag]:
    return [tag for page in pages for tag in page.tags]


def names_of(pages: Sequence[Page]) -> list[str]:
    return [tag.name for tag in tags_of(pages)]
