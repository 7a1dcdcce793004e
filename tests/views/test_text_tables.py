"""Tables for people."""

import io
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from ferryman.inspection import Finding
from ferryman.operations.refused_deletes import RefusingRegistry
from ferryman.planner import Decision
from ferryman.probing import Probe
from ferryman.signature_findings import Finding as SignatureFinding
from ferryman.signature_findings import Signer
from ferryman.store.ledger import ItemSummary
from ferryman.store.records import RegistryState
from ferryman.store.signatures import SignatureCheck
from ferryman.views import long_table
from ferryman.views import text_tables as tables
from ferryman.views.findings_table import findings_table
from ferryman.views.plan_table import long_plan_table
from tests.support.upstreams import NOON
from tests.views.support import ATTEMPT, DECISION, LONG, LOOKED, RECORD


def printed(table: object, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The rows of a table that goes through a pipe, headings first: the words between two or more spaces."""
    tables.console().print(table)
    return rows_of(capsys.readouterr().out)


def planned(decision: Decision, capsys: pytest.CaptureFixture[str], rested: Probe | None = None) -> list[list[str]]:
    """The rows of a plan."""
    table = long_plan_table(tables.console())
    table.add((LOOKED.item, decision, rested, None))
    table.end()
    return rows_of(capsys.readouterr().out)


def rows_of(out: str) -> list[list[str]]:
    lines = [line.strip() for line in out.splitlines()]
    return [re.split(r"\s{2,}", line) for line in lines if line and set(line) != {"─"}]


def test_a_tags_table_for_a_pipe_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    headings, row = printed(tables.tags_table([RECORD]), capsys)
    assert headings[:3] == ["item", "tag", "status"]
    assert row[:5] == ["etcd", "v3.5.0", "failed", "6", "2026-05-01 12:00"]
    assert row[-1] == LONG


def test_a_plan_shows_its_reasons_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    _, row = planned(replace(DECISION, reason="up-to-date", detail=""), capsys)
    assert row[3] == "the target has it"


def test_a_plan_tells_what_was_not_asked_for_and_when_it_will_be(capsys: pytest.CaptureFixture[str]) -> None:
    kept = replace(DECISION, action="keep", reason="up-to-date", detail="")
    _, row = planned(kept, capsys, Probe(NOON + timedelta(hours=2), "build"))
    assert row[3] == "the target has it; asked once a day: it names one build, next after 2026-05-01 14:00"


def test_only_wanted_tags_whose_time_has_not_come_rest() -> None:
    kept, later = replace(DECISION, action="keep"), Probe(NOON + timedelta(hours=2), "build")
    rested = replace(LOOKED, decisions=[kept], probes={kept.tag: later})
    assert rested.rested == {kept.tag: later}
    assert replace(rested, probes={kept.tag: Probe(NOON, "build")}).rested == {}
    assert replace(rested, decisions=[replace(kept, action="skip")]).rested == {}


def test_a_plan_table_for_a_pipe_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    _, row = planned(DECISION, capsys)
    assert row[:4] == ["etcd", "v3.5.0", "copy", LONG]


def test_a_pipe_stays_a_pipe_where_colours_are_forced(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    tables.console().print(tables.tags_table([RECORD]))
    assert LONG in capsys.readouterr().out


def test_names_are_not_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    rows = printed(tables.tags_table([replace(RECORD, item="[red]etcd[/]", error="[/nothing] [bold]x")]), capsys)
    assert (rows[1][0], rows[1][-1]) == ("[red]etcd[/]", "[/nothing] [bold]x")


def test_a_note_says_what_a_tag_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    later = NOON + timedelta(minutes=5)
    waiting = replace(RECORD, status="queued", run_at=later, error="cut")
    gone = replace(RECORD, status="synced", error=None, reason=None, gone_at=NOON)
    left_out = replace(RECORD, status="skipped", error=None, reason="excluded")
    rows = printed(tables.tags_table([waiting, gone, left_out]), capsys)
    assert [row[-1] for row in rows[1:]] == [
        "next try 2026-05-01 12:05; cut", "gone upstream since 2026-05-01 12:00",
        "a pattern of `exclude` leaves it out",
    ]  # fmt: skip


def test_attempts_show_their_time_duration_and_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    headings, row = printed(tables.attempts_table(RECORD, [ATTEMPT]), capsys)
    assert headings[:3] == ["etcd:v3.5.0", "took", "outcome"]
    assert row[:5] == ["2026-05-01 12:00", "90.0 s", "failed", "2.5 MB", "0 bytes"]
    assert row[-1] == LONG


def test_a_tags_note_says_who_has_signed_its_copy(capsys: pytest.CaptureFixture[str]) -> None:
    copied = replace(RECORD, status="synced", error=None, reason=None)
    signers = (Signer("CN=me", "store", "notation"), Signer("CN=me", "other store", "notation"))
    for finding, note in (
        (SignatureFinding("verified", "sha256:ab", signers), "signed by CN=me"),
        (SignatureFinding("missing", "sha256:ab", detail="nobody"), "not signed"),
    ):
        _, row = printed(tables.tags_table([copied], {copied.id: finding}), capsys)
        assert row[-1] == note


def test_signatures_show_who_has_signed_and_why_nobody_counts(capsys: pytest.CaptureFixture[str]) -> None:
    signers = (Signer("CN=me", "store", "notation"), Signer("SHA256:ab", "cosign.pub", "cosign"))
    checks = [
        SignatureCheck(SignatureFinding("verified", "sha256:0123456789abcdef", signers), NOON),
        SignatureCheck(SignatureFinding("refused", "sha256:fedcba9876543210", detail="nobody has signed it"), NOON),
    ]
    headings, verified, refused = printed(tables.signatures_table(RECORD, checks), capsys)
    assert headings == ["etcd:v3.5.0", "source digest", "signatures", "signed by", "with"]
    assert verified == ["2026-05-01 12:00", "0123456789ab", "verified", "CN=me, SHA256:ab", "store, cosign.pub"]
    assert refused == ["2026-05-01 12:00", "fedcba987654", "refused", "nobody has signed it"]


SUMMARY = ItemSummary(
    "nginx-ingress-controller", RECORD.source, RECORD.target,
    {"synced": 20, "queued": 3, "running": 2, "failed": 1, "skipped": 0}, gone=4, last_synced_at=NOON,
)  # fmt: skip


def test_a_summary_counts_every_status(capsys: pytest.CaptureFixture[str]) -> None:
    headings, row = printed(tables.summary_table([SUMMARY], width=200), capsys)
    assert dict(zip(headings, row, strict=True)) == {
        "item": SUMMARY.name, "source": RECORD.source, "target": RECORD.target, "synced": "20", "queued": "3",
        "running": "2", "failed": "1", "skipped": "-", "gone": "4", "last synced": "2026-05-01 12:00",
    }  # fmt: skip


@pytest.mark.parametrize("width", [80, 100, 130, 150, 170])
def test_on_a_narrow_terminal_the_numbers_of_a_summary_stay_whole(width: int) -> None:
    console = Console(width=width, file=io.StringIO(), markup=False)
    table = tables.summary_table([SUMMARY], width=console.width)
    assert console.measure(table).maximum <= width
    with console.capture() as capture:
        console.print(table)
    assert "nginx-ingress-controller" in capture.get()
    assert "2026-05-01" in capture.get()


def test_on_a_narrow_terminal_errors_are_below_the_tags() -> None:
    console = Console(width=80, file=io.StringIO(), markup=False)
    with console.capture() as capture:
        console.print(tables.tags_table([RECORD]))
    lines = capture.get().splitlines()
    [row] = [line for line in lines if "failed" in line]
    assert row.split() == ["etcd", "v3.5.0", "failed", "6", "2026-05-01", "12:00"]
    assert " ".join(" ".join(lines[lines.index(row) + 1 :]).split()) == f"etcd:v3.5.0: {LONG}"


def test_paused_registries_show_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    states = [RegistryState("docker.io", NOON, "slow down", NOON), RegistryState("quay.io", None, "refused", NOON)]
    _, limited, paused = printed(tables.registries_table(states), capsys)
    assert limited == ["docker.io", "until 2026-05-01 12:00", "2026-05-01 12:00", "slow down"]
    assert paused == [
        "quay.io",
        f"for other credentials, or `ferryman requeue`; the login is tried again by the first look after {paused[2]}",
        "2026-05-01 12:00", "refused",
    ]  # fmt: skip


def test_registries_that_refuse_to_delete_show_the_mend(capsys: pytest.CaptureFixture[str]) -> None:
    refusing = [RefusingRegistry("r.example.com", 3, ("etcd", "nginx"), NOON)]
    [_, row] = printed(tables.registries_table([], refusing), capsys)
    assert row == [
        "r.example.com", "until deleting is allowed; then `ferryman prune --yes`", "2026-05-01 12:00",
        "it refuses to delete: 3 tags stay that are to go, of etcd, nginx",
    ]  # fmt: skip


def test_findings_are_shown_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    findings = [Finding("engine", True, "Docker 20.10"), Finding("target r", False, LONG)]
    assert printed(findings_table(findings), capsys)[-2:] == [
        ["ok", "engine", "Docker 20.10"], ["error", "target r", LONG],
    ]  # fmt: skip


def test_a_narrow_terminal_folds_and_loses_nothing() -> None:
    screen = io.StringIO()
    Console(file=screen, width=80, force_terminal=True, color_system=None, markup=False, highlight=False).print(
        tables.tags_table([RECORD])
    )
    assert max(map(len, screen.getvalue().splitlines())) <= 80
    assert "…" not in screen.getvalue()


def test_a_long_table_in_a_pipe_is_laid_out_as_a_short_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [replace(RECORD, tag=f"v3.{number}", item="etcd 镜像", error="cut") for number in range(7)]
    tables.console().print(tables.tags_table(records))
    whole = capsys.readouterr().out
    monkeypatch.setattr(long_table, "PAGE", 3)
    table = tables.long_tags_table(tables.console())
    for record in records:
        table.add(record)
    table.end()
    assert capsys.readouterr().out == whole


def test_a_wide_cell_on_a_later_page_moves_the_rest_of_its_own_line_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_table, "PAGE", 1)
    table = long_plan_table(tables.console())
    for tag in ("1", "a-long-name", "2"):
        table.add((LOOKED.item, replace(DECISION, tag=tag, detail="two\nlines"), None, None))
    table.end()
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert [line.index("copy") for line in lines[3:6]] == [14, 22, 14]
    assert "two lines" in lines[4]


def test_a_long_table_on_a_terminal_has_headings_on_each_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_table, "PAGE", 2)
    terminal = Console(file=io.StringIO(), force_terminal=True, width=80)
    table = tables.long_tags_table(terminal)
    for _ in range(3):
        table.add(RECORD)
    table.end()
    assert terminal.file.getvalue().count("status") == 2  # type: ignore[attr-defined]  # it is a StringIO
