"""The page of a tag, as it comes over HTTP: both sides, how to pull it, its platforms, and its whole life."""

import json
from datetime import datetime, timedelta

import pytest

from ferryman.errors import NotFound
from ferryman.events import JobProgressed, JobStarted
from ferryman.operations.image_sizes import ImageSize, ImageSizes
from ferryman.signature_findings import Finding, Signer
from ferryman.store.records import PlannedTag, SeenTag, Walk
from tests.support.upstreams import NOON, made_up_digest
from tests.web.browser.test_overview import JOB
from tests.web.reading import texts
from tests.web.support import Site
from tests.web.test_pages import ITEM, enqueue

PAGE = "/items/etcd/tags/1"
OLD, NEW, REBUILT = made_up_digest("1"), made_up_digest("new"), made_up_digest("rebuilt")


async def look(site: Site, digest: str, *, at: datetime = NOON, probed: bool = False) -> None:
    """A look that finds this digest. `probed`: by asking for it, for the list had names only."""
    await site.app.record.queue.apply(
        ITEM, [SeenTag("1", digest, NOON, probed=probed)], gone=(),
        planned=[PlannedTag("1", "copy", "changed", 0, status="synced")], walk=Walk(at, at, "rules"),
    )  # fmt: skip


async def copy(site: Site, *, digest: str, identical: bool = True, degraded: str | None = None) -> None:
    """A copy that went well."""
    queue, now = site.app.record.queue, site.app.clock.now()
    job = await queue.claim()
    assert job is not None
    await queue.succeed(
        job, started_at=now - timedelta(minutes=2), target_digest=digest, identical=identical, degraded=degraded,
        bytes_moved=3 << 20, bytes_reused=1 << 20,
    )  # fmt: skip


async def test_it_has_the_whole_life_of_the_tag(site: Site) -> None:
    await enqueue(site, "1")
    queue = site.app.record.queue
    job = await queue.claim()
    assert job is not None
    error = "quay.io: " + "a long <error> " * 40
    await queue.fail(job, started_at=NOON, kind="denied", error=error, retry_at=None, registry="quay.io")
    failed = (await site.get(PAGE)).text
    assert error.strip().replace("<", "&lt;").replace(">", "&gt;") in failed, "whole"
    assert '<span class="badge failed">failed</span>' in failed

    await look(site, NEW)
    await copy(site, digest=REBUILT, identical=False, degraded="an <attestation>")
    page = (await site.get(PAGE)).text
    for digest in (NEW, REBUILT, OLD):
        assert f'data-copy="{digest}"' in page
    assert "not identical" in page
    assert "an &lt;attestation&gt;" in page
    life = texts(page, "aria-labelledby")
    assert [life["life"].count(word) for word in ("Upstream", "Target")] == [2, 1]
    assert "2 minutes synced 3 MiB 1 MiB" in life["attempts"]
    assert life["attempts"].count("failed") == 1


async def test_it_tells_how_often_upstream_is_asked_for_it(site: Site) -> None:
    await enqueue(site, "1")
    assert "Asked again" not in (await site.get(PAGE)).text, "the list has its digest"
    await look(site, NEW, at=site.app.clock.now(), probed=True)
    await copy(site, digest=NEW)
    english = (await site.get(PAGE)).text
    assert "in every cycle: it moved within 30 days" in english.partition("Asked again")[2]
    chinese = (await site.get(PAGE, headers={"Accept-Language": "zh"})).text
    assert "每个周期一次：30 天内变动过" in chinese
    document = json.loads((await site.get("/api/v1/items/etcd/tags/1")).text)
    assert (document["probe_reason"], document["next_probe_at"] is None) == ("moved", False)


async def test_its_commands_name_the_mirror(site: Site) -> None:
    await enqueue(site, "1")
    assert "docker pull" not in (await site.get(PAGE)).text, "there is nothing to pull yet"
    await copy(site, digest=OLD)
    page = (await site.get(PAGE)).text

    target = ITEM.target
    for line in (
        f"docker pull {target}:1", f"ctr images pull {target}:1", f"crictl pull {target}:1",
        f"docker pull {target}@{OLD}",
    ):  # fmt: skip
        assert f'data-copy="{line}"' in page
    assert '<span class="badge synced">identical</span>' in page


async def test_an_earlier_copy_is_no_identical_one(site: Site) -> None:
    await enqueue(site, "1")
    await copy(site, digest=OLD)
    await look(site, NEW)

    page = (await site.get(PAGE)).text
    assert "an earlier copy" in page
    assert ">identical<" not in page


async def test_platforms_are_asked_for_once_and_then_shown_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = (ImageSize("linux/amd64", NEW, 5 << 20, 3), ImageSize(None, OLD, None, None))
    asked: list[str] = []

    async def read(self: ImageSizes, target: str, digest: str) -> tuple[ImageSize, ...]:
        asked.append(digest)
        self._kept[f"{target}@{digest}"] = sizes
        return sizes

    monkeypatch.setattr(ImageSizes, "read", read)
    await enqueue(site, "1")
    assert "no copy of this tag" in (await site.get(f"{PAGE}/platforms")).text
    await copy(site, digest=OLD)
    assert 'data-part="platforms"' in (await site.get(PAGE)).text
    assert asked == []
    for path in (f"{PAGE}/platforms", PAGE):
        page = (await site.get(path)).text
        assert "linux/amd64 5 MiB 3" in texts(page, "id")["platforms"]
        assert "unknown – –" in texts(page, "id")["platforms"]
    assert asked == [OLD]


async def test_a_target_that_does_not_answer_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def read(*_: object) -> None:
        raise NotFound("registry.example.com: <gone>", registry="registry.example.com")

    monkeypatch.setattr(ImageSizes, "read", read)
    await enqueue(site, "1")
    await copy(site, digest=OLD)
    answer = await site.get(f"{PAGE}/platforms")

    assert answer.status == 200
    assert "&lt;gone&gt;" in answer.text


async def test_a_copy_that_runs_is_shown_with_its_bytes(site: Site) -> None:
    await enqueue(site, "1")
    await site.app.record.queue.claim()
    site.app.events.emit(JobStarted(JOB))
    site.app.events.emit(JobProgressed(JOB, "copy:a", 1 << 20, 4 << 20))

    page = (await site.get(PAGE)).text
    assert 'value="0.250"' in page
    assert "is being copied" in page
    assert "1 MiB" in page


async def test_it_tells_who_has_signed_each_digest(site: Site) -> None:
    await enqueue(site, "1")
    assert "Signatures" not in (await site.get(PAGE)).text
    signatures, key = site.app.record.signatures, (await _tag_id(site))
    signer = Signer("release@example.com <b>", "https://issuer.example.com", "cosign", NOON)
    await signatures.record(key, Finding("verified", OLD, (signer, Signer("SHA256:ab", "cosign.pub", "bundle"))))
    await signatures.record(key, Finding("refused", NEW, detail="it was not made with <this> key"))
    page = (await site.get(PAGE)).text
    found = texts(page, "aria-labelledby")["signatures"]
    for text in ("release@example.com <b>", "https://issuer.example.com", "SHA256:ab", "cosign.pub", "signed"):
        assert text in found
    assert "refused: signature" in found
    assert "it was not made with &lt;this&gt; key" in page
    listed = json.loads((await site.get("/api/v1/items/etcd/tags/1")).text)["signatures"]
    assert [(each["verdict"], each["digest"], len(each["signers"])) for each in listed] == [
        ("verified", OLD, 2),
        ("refused", NEW, 0),
    ]


async def _tag_id(site: Site) -> int:
    record = await site.app.record.ledger.tag(ITEM.target, "1")
    assert record is not None
    return record.id
