"""What pages show of the record."""

from ferryman.store.records import ItemKey, PlannedTag, SeenTag, Walk
from ferryman.web.item_rows import row_id
from tests.support.upstreams import NOON, made_up_digest
from tests.web.reading import item_row
from tests.web.support import Site

ITEM = ItemKey("etcd", "quay.io/coreos/etcd", "registry.example.com/m/etcd", None)


async def enqueue(site: Site, *tags: str) -> None:
    """Apply a walk that queues these tags of the item, and skips one more."""
    await site.app.record.queue.apply(
        ITEM,
        [SeenTag(tag, made_up_digest(tag), NOON) for tag in (*tags, "left-out")],
        gone=(),
        planned=[
            *(PlannedTag(tag, "copy", "new", rank) for rank, tag in enumerate(tags)),
            PlannedTag("left-out", "skip", "excluded", len(tags)),
        ],
        walk=Walk(NOON, NOON, "rules"),
    )


async def test_the_overview_counts_tags_by_status(site: Site) -> None:
    assert "Nothing is recorded yet" in (await site.get("/")).text
    await enqueue(site, "1", "2")

    text = (await site.get("/")).text

    assert '<a class="name" href="/items/etcd">etcd</a>' in text
    row = item_row(text, row_id(ITEM.target))
    assert [row[name] for name in ("Wanted", "Synced", "Queued", "Running", "Failed", "Held")] == list("202000")
