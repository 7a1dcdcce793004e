"""The JSON documents of `--json` and the web API."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ferryman.commands.json_output import json_list, print_json_list
from ferryman.inspection import Finding
from ferryman.probing import Probe
from ferryman.store.records import TagRecord
from ferryman.views.documents.base import Document, iso
from ferryman.views.documents.findings import FindingDocument
from ferryman.views.documents.plan import PlannedTagDocument, plan_documents
from ferryman.views.documents.tags import AttemptDocument, TagDocument, TagWithAttemptsDocument
from tests.support.upstreams import NOON, made_up_digest
from tests.views.support import ATTEMPT, DECISION, LONG, LOOKED, RECORD

DOCUMENTS: tuple[type[Document], ...] = (
    TagDocument, TagWithAttemptsDocument, AttemptDocument, PlannedTagDocument, FindingDocument,
)  # fmt: skip
TAG_KEYS = [
    "item", "source", "target", "tag", "status", "attempts", "source_digest", "target_digest", "pushed_at", "synced_at",
    "error", "error_kind", "reason", "mirrored_digest", "identical", "degraded", "first_seen_at", "last_seen_at",
    "gone_at", "next_attempt_at", "moved_at", "quarantined_until", "probed_at",
    "hold", "held_at", "finding",
]  # fmt: skip


def read(document: Document) -> Any:
    return json.loads(document.model_dump_json())


def of(record: TagRecord) -> Any:
    return read(TagDocument.of(record))


def test_the_keys_of_a_tags_document_are_stable() -> None:
    document = of(RECORD)
    assert list(document) == TAG_KEYS
    assert (document["pushed_at"], document["error"], document["next_attempt_at"]) == (
        "2026-05-01T12:00:00Z", LONG, None,
    )  # fmt: skip


def test_the_next_attempt_of_queued_tags_is_shown() -> None:
    queued = replace(RECORD, status="queued", run_at=NOON)
    assert of(queued)["next_attempt_at"] == "2026-05-01T12:00:00Z"
    assert of(replace(queued, run_at=None))["next_attempt_at"] is None


def test_a_plan_tells_when_a_tag_is_asked_for_again() -> None:
    probes = {DECISION.tag: Probe(NOON + timedelta(hours=2), "build")}
    rested = replace(LOOKED, probes=probes)
    due = replace(LOOKED, probes={DECISION.tag: Probe(NOON, "floating")})
    documents = [read(each) for each in plan_documents([rested, due, LOOKED])]
    assert [(each["probe_reason"], each["next_probe_at"]) for each in documents] == [
        ("build", "2026-05-01T14:00:00Z"), ("floating", None), (None, None),
    ]  # fmt: skip


def test_the_attempts_of_a_tag() -> None:
    document = read(TagWithAttemptsDocument.with_attempts(RECORD, [ATTEMPT], ()))
    assert list(document) == [*TAG_KEYS, "attempt_log", "signatures"]
    assert document["attempt_log"] == [
        {
            "started_at": "2026-05-01T12:00:00Z", "finished_at": "2026-05-01T12:01:30Z", "outcome": "failed",
            "source_digest": made_up_digest("source"), "bytes_moved": 2_500_000, "bytes_reused": 0,
            "error": LONG, "error_kind": "denied",
        }
    ]  # fmt: skip


def test_the_keys_of_a_plans_document_are_stable() -> None:
    assert [read(each) for each in plan_documents([LOOKED])] == [
        {
            "item": "etcd", "source": RECORD.source, "target": RECORD.target, "tag": "v3.5.0", "action": "copy",
            "reason": "changed", "detail": LONG, "source_digest": made_up_digest("source"),
            "pushed_at": "2026-05-01T12:00:00Z", "pinned": True,
            "upstream_since": "2026-05-01T12:00:00Z", "quarantined_until": None, "probe_reason": None,
            "next_probe_at": None, "prune": None, "prune_due_at": None,
        }
    ]  # fmt: skip


def test_a_findings_document() -> None:
    assert read(FindingDocument.of(Finding("engine", True, "Docker 20.10"))) == {
        "what": "engine", "works": True, "message": "Docker 20.10", "told": "Docker 20.10",
    }  # fmt: skip


@pytest.mark.parametrize("error", ["line\nfeed\ttab", "\x00\x1f\x7f\u2028", 'quote " \\ </script>', "\u955c\u50cf 🚢"])
def test_a_list_is_printed_as_python_prints_json(error: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts compare and cut this text: its bytes stay what the json module made before."""
    with json_list() as add:
        add(TagDocument.of(replace(RECORD, error=error)))
        add(TagWithAttemptsDocument.with_attempts(RECORD, [ATTEMPT], ()))
        add(TagWithAttemptsDocument.with_attempts(RECORD, [], ()))
    printed = capsys.readouterr().out

    assert json.loads(printed)[0]["error"] == error
    assert printed == json.dumps(json.loads(printed), indent=2, ensure_ascii=False) + "\n"


def test_an_empty_list_is_printed_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    print_json_list([])

    assert capsys.readouterr().out == "[]\n"


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_schema_says_what_every_key_means(kind: type[Document]) -> None:
    schema = kind.model_json_schema(mode="serialization")

    assert schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"])
    assert [name for name, key in schema["properties"].items() if not key.get("description")] == []


def test_a_schema_knows_times() -> None:
    started_at = AttemptDocument.model_json_schema(mode="serialization")["properties"]["started_at"]

    assert (started_at["type"], started_at["format"]) == ("string", "date-time")


def test_a_document_has_no_other_keys_and_does_not_change() -> None:
    document = FindingDocument.of(Finding("engine", True, "Docker 20.10"))
    with pytest.raises(ValidationError, match="frozen"):
        document.works = False  # type: ignore[misc]  # that is what is tested
    with pytest.raises(ValidationError, match="not permitted"):
        FindingDocument.model_validate({**dict(document), "more": 1})


@given(st.datetimes(datetime(1970, 1, 2), datetime(2999, 1, 1)), st.integers(-14, 14))  # noqa: DTZ001 - made aware below
def test_times_are_utc_to_the_second(moment: datetime, zone: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(hours=zone)))
    text = iso(aware)
    assert text.endswith("Z")
    assert datetime.fromisoformat(text) == aware.astimezone(UTC).replace(microsecond=0)
