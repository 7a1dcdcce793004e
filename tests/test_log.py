"""The log: one line an event, whatever is in it."""

import json
import logging
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ferryman import log
from ferryman.log import Format
from tests.support.log_calls import log_calls

pytestmark = pytest.mark.usefixtures("untouched_logging")
FORMS: list[Format] = ["text", "json"]


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """What was logged, which must be one line."""
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert told.err.endswith("\n")
    assert "\r" not in told.err
    return told.err.removesuffix("\n")


def fields_of(line: str, form: Format) -> dict[str, Any]:
    """A line read back."""
    if form == "json":
        document: dict[str, Any] = json.loads(line)
        return document
    return dict(part.split("=", 1) for part in shlex.split(line))


@pytest.mark.parametrize("form", FORMS)
def test_an_event_is_one_line_that_can_be_read_back(form: Format, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="INFO", form=form)
    log.get().info(
        "tag_retry_scheduled",
        message="will be tried again",
        kind="unreachable",
        error="no connection: a = b",
        seconds=1.5,
    )
    fields = fields_of(one_line(capsys), form)
    assert fields.pop("time").endswith("Z")
    assert {name: str(value) for name, value in fields.items()} == {
        "level": "info", "event": "tag_retry_scheduled", "message": "will be tried again",
        "kind": "unreachable", "error": "no connection: a = b",
        "seconds": "1.5",
    }  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_traceback_is_a_field(form: Format, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="INFO", form=form)
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError("first\nsecond")
    log.get().error("tag_failed", message="failed by a defect in Ferryman", exc_info=caught.value)
    line = one_line(capsys)
    assert "Traceback (most recent call last)" in line
    assert "RuntimeError: first\\nsecond" in line


@pytest.mark.parametrize("form", FORMS)
def test_a_librarys_line_goes_the_same_way(form: Format, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="INFO", form=form)
    with pytest.raises(ValueError, match="a") as caught:
        raise ValueError("a\nb")
    logging.getLogger("somebody.else").error("it %s\nand %s", "broke", "fell", exc_info=caught.value)
    line = one_line(capsys)
    assert "it broke\\nand fell" in line
    assert "ValueError: a\\nb" in line
    assert fields_of(line, form)["level"] == "error"


@pytest.mark.parametrize("form", FORMS)
@given(st.text(), st.text())
@example("first\nsecond", "first\r\nsecond\rthird")
@example("\x1b[31mred", "\u202eback \x9b31m")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_in_an_event_makes_two_lines_of_it_or_moves_a_terminal_s_cursor(
    capsys: pytest.CaptureFixture[str], form: Format, event: str, told: str
) -> None:
    log.configure(level="INFO", form=form)
    log.get().info(event.encode("utf-8", "replace").decode(), told=told.encode("utf-8", "replace").decode())
    assert one_line(capsys).isprintable()


def test_what_is_escaped_in_json_is_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="INFO", form="json")
    told = "\u202ekcolb\x1b[31m \x85 \u2028 \U000e0041 \n é 标签"
    log.get().info("x", told=told)
    assert fields_of(one_line(capsys), "json")["told"] == told


@pytest.mark.parametrize("form", FORMS)
def test_a_jobs_lines_carry_its_item_and_tag(form: Format, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="INFO", form=form)
    with log.bound(item="etcd", tag="v3.5.0"):
        log.get().info("synced")
        fields = fields_of(one_line(capsys), form)
        assert (fields["item"], fields["tag"]) == ("etcd", "v3.5.0")
        logging.getLogger("somebody.else").warning("slow")
        fields = fields_of(one_line(capsys), form)
        assert (fields["item"], fields["tag"]) == ("etcd", "v3.5.0")
    log.get().info("cycle done")
    assert "item" not in fields_of(one_line(capsys), form)


def test_text_begins_with_what_people_look_for(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="INFO", form="text")
    with log.bound(attempt=1, tag="v3.5.0", item="etcd"):
        log.get().info("tag_synced", message="synced", digest="sha256:a")
    names = [part.split("=", 1)[0] for part in shlex.split(one_line(capsys))]
    assert names[:6] == ["time", "level", "event", "message", "item", "tag"]
    assert set(names[6:]) == {"attempt", "digest"}


def test_what_is_below_the_level_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="WARNING", form="text")
    log.get().info("looked")
    logging.getLogger("somebody.else").info("looked too")
    assert capsys.readouterr().err == ""
    log.get().warning("cannot look at a tag")
    assert fields_of(one_line(capsys), "text")["level"] == "warning"


@pytest.mark.parametrize("name", ["aiosqlite", "alembic", "asyncio", "aiohttp.client"])
def test_chatty_libraries_are_heard_from_warnings_on(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="DEBUG", form="text")
    logging.getLogger(name).info("executing functools.partial(…)")
    assert capsys.readouterr().err == ""
    logging.getLogger(name).warning("slow callback")
    one_line(capsys)


def test_configuring_again_takes_the_place_of_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="INFO", form="text")
    log.configure(level="INFO", form="json")
    log.get().info("once")
    assert json.loads(one_line(capsys))["event"] == "once"


def test_other_scripts_stay_readable_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="INFO", form="json")
    log.get().info("synced", item="镜像")
    assert "镜像" in one_line(capsys)


def test_off_the_screen_warnings_are_kept_as_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="INFO", form="text")
    told: list[str] = []
    with log.off_the_screen(told.append) as kept:
        log.get().info("synced")
        with log.bound(item="etcd", tag="v3.5.0", attempt=2):
            log.get().warning("tag_degraded", message="copied, but not all of it", left_out="attestations")
            log.get().warning(
                "tag_retry_scheduled", message="will be tried again", kind="unreachable", error="cut"
            )  # the record has it, too
        for _ in range(2):
            log.get().error(
                "engine_unavailable", message="the Docker Engine is unavailable; waiting for it", error="no such file"
            )
        logging.getLogger("somebody.else").warning("it %s", "broke")
    assert capsys.readouterr().err == ""
    assert kept == [
        "warning: etcd:v3.5.0: copied, but not all of it: left_out: attestations",
        "error: the Docker Engine is unavailable; waiting for it: no such file",
        "warning: it broke",
    ]
    assert "warning: etcd:v3.5.0: will be tried again: cut" in told
    log.get().info("synced")
    assert "event=synced" in one_line(capsys)


def test_off_the_screen_a_defect_keeps_its_traceback() -> None:
    log.configure(level="INFO", form="json")
    told: list[str] = []
    with pytest.raises(KeyError) as caught:
        raise KeyError("x")
    with log.off_the_screen(told.append) as kept:
        log.get().error("tag_failed", message="failed by a defect in Ferryman", exc_info=caught.value)
    assert told == ["error: failed by a defect in Ferryman"]
    assert kept[0].startswith("error: failed by a defect in Ferryman\nTraceback (most recent call last)")


def test_off_the_screen_a_file_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "log"
    log.configure(level="INFO", form="json", file=file)
    with log.off_the_screen(lambda _: None) as kept:
        log.get().warning("slow")
    assert [json.loads(line)["event"] for line in file.read_text().splitlines()] == ["slow"]
    assert kept == ["warning: slow"]


def test_no_more_warnings_are_kept_than_anybody_reads() -> None:
    log.configure(level="INFO", form="text")
    with log.off_the_screen(lambda _: None) as kept:
        for number in range(5000):
            log.get().warning("slow", number=number)
    assert len(kept) == 200


def test_every_line_of_ours_has_a_key_and_a_message() -> None:
    calls = list(log_calls())
    assert [call for call in calls if not re.fullmatch("[a-z]+(_[a-z]+)+", call.key or "")] == []
    assert [call.place for call in calls if not call.has_message] == []
    assert len(calls) > 50


@pytest.mark.parametrize("form", FORMS)
def test_a_librarys_line_has_its_text_as_the_event(form: Format, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="INFO", form=form)
    logging.getLogger("somebody.else").warning("it %s", "broke")
    fields = fields_of(one_line(capsys), form)
    assert fields["event"] == "it broke"
    assert "message" not in fields
