"""Where messages and heartbeats go: `notify:`, `heartbeat:` and `unreachable_after:`."""

from pathlib import Path
from typing import get_args

import pytest

from ferryman.daytime import PartOfDay
from ferryman.items.model import FAILURES, Recipient
from ferryman.kinds import NotifyEvent
from tests.items.support import complaints, read

ITEMS = "items: [{source: quay.io/a/b, target: r.io/x}]\n"
SECRET = "dingtalk://0123456789abcdef"
EVENTS = (
    "incomplete, damaged, frozen, held, login, unreachable, stalled, disk, changed, prune, recovered, failures, all"
)
APPRISE = "expected a URL of apprise, such as dingtalk://TOKEN/ or mailto://user:password@example.com"
WEB = "expected http:// or https://, a host, and perhaps a path, such as https://hc-ping.com/…"


def recipients(folder: Path, text: str, **environ: str) -> tuple[Recipient, ...]:
    return read(folder, ITEMS + text, environ=environ).notify


def test_a_url_alone_is_told_of_failures_in_english(tmp_path: Path) -> None:
    assert recipients(tmp_path, f"notify: ['{SECRET}']") == (Recipient(SECRET, FAILURES, "en", None),)
    assert recipients(tmp_path, f"notify: '{SECRET}'") == (Recipient(SECRET, FAILURES, "en", None),)


def test_a_mapping_chooses_events_language_and_quiet_hours(tmp_path: Path) -> None:
    text = "notify: [{url: '${CHAT}', events: [login, changed], lang: zh, quiet: '22:00-08:00'}]"

    [recipient] = recipients(tmp_path, text, CHAT=SECRET)

    assert recipient == Recipient(SECRET, frozenset({"login", "changed"}), "zh", PartOfDay(22 * 60, 8 * 60))


def test_groups_of_events_are_unfolded(tmp_path: Path) -> None:
    text = f"notify: [{{url: '{SECRET}', events: all}}, {{url: '{SECRET}', events: [failures, changed, prune]}}]"

    everything, failures = recipients(tmp_path, text)

    assert everything.events == failures.events == set(get_args(NotifyEvent))
    assert everything.events - {"changed", "prune"} == FAILURES


def test_a_url_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "chat").write_text(f"{SECRET}\n")
    (tmp_path / "beat").write_text("https://hc-ping.com/1234\n")

    configuration = read(tmp_path, f"{ITEMS}notify: [{{url_file: chat}}]\nheartbeat: {{url_file: beat}}")

    assert [each.url for each in configuration.notify] == [SECRET]
    assert configuration.heartbeat == "https://hc-ping.com/1234"


def test_heartbeat_and_cycles_are_read(tmp_path: Path) -> None:
    configuration = read(
        tmp_path,
        f"{ITEMS}heartbeat: 'https://hc-ping.com/${{ID}}'\nunreachable_after: '${{N}}'",
        environ={"ID": "77", "N": "5"},
    )

    assert (configuration.heartbeat, configuration.unreachable_after) == ("https://hc-ping.com/77", 5)
    assert read(tmp_path, ITEMS).unreachable_after == 2


def test_no_url_stands_in_a_repr(tmp_path: Path) -> None:
    text = f"{ITEMS}notify: '{SECRET}'\nheartbeat: https://hc-ping.com/secret-77"

    assert "0123456789" not in repr(read(tmp_path, text))
    assert "secret-77" not in repr(read(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("notify: 3", "2:9: notify: found a number, expected a mapping"),
        ("notify: [3]", "2:10: notify: found a number, expected a mapping"),
        ("notify: hunter2", f"2:9: notify.url: found text, {APPRISE}"),
        ("notify: ['hunter2']", f"2:10: notify.url: found text, {APPRISE}"),
        ("notify: [{url: '//hunter2'}]", f"2:16: notify.url: found text, {APPRISE}"),
        ("notify: [{events: login}]", "2:10: notify: found neither of url and url_file, expected one of them"),
        (
            "notify: [{url: 'x://hunter2', url_file: y}]",
            "2:10: notify: found both of url and url_file, expected one of them",
        ),
        (
            "notify: [{url: 'x://hunter2', events: [login, faliures]}]",
            f"2:47: notify.events: unknown event 'faliures' (did you mean 'failures'?): expected {EVENTS}",
        ),
        (
            "notify: [{url: 'x://hunter2', events: [recovered]}]",
            "2:39: notify.events: expected an event whose end recovered can tell, or failures, or all",
        ),
        (
            "notify: [{url: 'x://hunter2', quiet: '9-17'}]",
            '2:38: notify.quiet: found text, expected a part of the day, such as "22:00-08:00"',
        ),
        ("notify: [{url: 'x://hunter2', lang: fr}]", "2:37: notify.lang: found text, expected 'en' or 'zh'"),
        (
            "notify: [{url: 'x://hunter2', event: all}]",
            "2:31: unknown key 'event' (did you mean 'events'?): expected url, url_file, events, lang, quiet",
        ),
        ("notify: ['${CHAT}']", "2:10: not set in the environment: CHAT (a default would be written ${CHAT:-…})"),
        ("heartbeat: hunter2", f"2:12: heartbeat.url: found text, {WEB}"),
        ("heartbeat: ftp://hunter2/x", f"2:12: heartbeat.url: found text, {WEB}"),
        ("heartbeat: https://hunter2:99999/", f"2:12: heartbeat.url: found text, {WEB}"),
        ("heartbeat: {}", "2:12: heartbeat: found neither of url and url_file, expected one of them"),
        ("unreachable_after: 0", "2:20: unreachable_after: found 0, expected a whole number of at least 1"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_no_url(tmp_path: Path, text: str, complaint: str) -> None:
    assert complaints(tmp_path, ITEMS + text) == [complaint]
    assert "hunter2" not in complaint


def test_a_url_in_a_file_is_checked_as_well(tmp_path: Path) -> None:
    (tmp_path / "chat").write_text("hunter2")
    absent = complaints(tmp_path, f"{ITEMS}notify: [{{url_file: absent}}]")

    assert complaints(tmp_path, f"{ITEMS}notify: [{{url_file: chat}}]") == [f"2:21: notify.url_file: {APPRISE}"]
    assert len(absent) == 1
    assert absent[0].startswith("2:21: notify.url_file: there is no such file")
