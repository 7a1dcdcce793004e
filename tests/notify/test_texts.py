"""Messages as people read them, in both languages; short, with no markup of strangers."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from ferryman.kinds import NotifyEvent
from ferryman.notify.messages import Message
from ferryman.notify.texts import database_message, message, trial
from ferryman.store.notices import Delivery, Phase

NINE = datetime(2026, 1, 1, 9, 12, tzinfo=UTC)
PAGE = "https://ferryman.example.com"
NOT_FOUND = "GET https://quay.io/v2/coreos/etcd: it is private, or missing"
MEND = "Check the spelling of source. If the repository is private, give its registry a login."
HOSTILE = '<script>alert(1)</script>\x1b[31m @everyone **b** [x](http://evil.example)\u202e\r\n<at user_id="all">x</at>'


def told(event: NotifyEvent, facts: Mapping[str, Any], phase: Phase = "began", key: str = "k") -> Delivery:
    return Delivery("abc", "notify[1] (json)", key, event, phase, NINE, facts, NINE)


def missing(item: str, *names: str, tags: int = 0, error: str = NOT_FOUND, **more: object) -> Mapping[str, Any]:
    facts = {"item": item, "tags": tags or len(names), "names": names, "error": error, "registry": "quay.io"}
    return {**facts, "is_listed": True, **more}


def test_items_that_miss_tags_for_one_cause_are_one_paragraph() -> None:
    written = message(
        [
            told("incomplete", missing("etcd", "v3.5", "v3.6", "v3.7", tags=7), key="a"),
            told("incomplete", missing("flannel", is_listed=False), key="b"),
        ],
        "en",
        page=PAGE,
    )

    assert written == Message(
        "Ferryman: incomplete: etcd (7 tags missing), flannel (cannot be listed)",
        "Since 2026-01-01 09:12 UTC.\n"
        "etcd:v3.5, etcd:v3.6, etcd:v3.7 and 4 more\n"
        "GET https:⁄⁄quay.io/v2/coreos/etcd: it is private, or missing\n"
        f"{MEND}\n\n{PAGE}",
        failed=True,
    )


def test_several_causes_are_one_message_the_most_urgent_first() -> None:
    login = {"registry": "r.io", "error": "the login of 'me' was refused", "tags": 1}
    written = message(
        [
            told("incomplete", missing("nginx", "1.27"), "over", key="a"),
            told("incomplete", missing("etcd", "v3.5"), key="b"),
            told("login", login, key="c"),
        ],
        "en",
        page=None,
    )

    assert written.title == "Ferryman: r.io refuses the login (+2)"
    paragraphs = written.body.split("\n\n")
    assert paragraphs[0].splitlines()[:3] == [
        "Since 2026-01-01 09:12 UTC.", "1 tag waits for it.", "the login of 'me' was refused",
    ]  # fmt: skip
    assert paragraphs[0].splitlines()[3].startswith("The registry rejected the login (401)")
    assert paragraphs[1].startswith("incomplete: etcd (1 tag missing)\n")
    assert paragraphs[2] == "complete again: nginx\nIt began at 2026-01-01 09:12 UTC."


@pytest.mark.parametrize(
    ("event", "facts", "phase", "title", "line"),
    [
        (
            "unreachable",
            {"registry": "r.io", "cycles": 2, "items": 5, "names": ["a", "b", "c"], "error": "r.io: cannot connect"},
            "began", "r.io cannot be reached", "a, b, c and 2 more",
        ),
        ("unreachable", {"registry": "r.io"}, "over", "r.io can be reached again", "It began at"),
        ("login", {"registry": "r.io"}, "over", "r.io takes the login again", "It began at"),
        (
            "damaged", {"item": "etcd", "tags": 3, "findings": {"missing": 1, "changed": 2}}, "began",
            "etcd: 3 tags are damaged at the target", "missing: 1, overwritten by somebody else: 2",
        ),
        ("damaged", {"item": "etcd"}, "over", "whole at the target again: etcd", "It began at"),
        (
            "frozen", {"item": "etcd", "target": "r.io/etcd", "reason": "vanished", "detail": "upstream has 1 of 9"},
            "began", "etcd is frozen: upstream has lost what is mirrored", "upstream has 1 of 9",
        ),
        ("frozen", {"item": "etcd"}, "over", "not frozen any more: etcd", "It began at"),
        (
            "held", {"item": "etcd", "tags": 2, "names": ["1.2.3", "1.2.4"]}, "began",
            "etcd: upstream changed 2 version tags, which are held", "`ferryman release ITEM:TAG` copies",
        ),
        ("held", {"item": "etcd"}, "over", "no version tag is held any more: etcd", "It began at"),
        (
            "prune", {"item": "etcd", "tags": 4, "names": ["3.9", "3.8"], "due": 1767225600, "last": 0}, "began",
            "etcd: prune is to remove 4 tags from the target", "The first goes at 2026-01-01 00:00 UTC",
        ),
        ("prune", {"item": "etcd"}, "over", "no tag is to be removed any more: etcd", "It began at"),
        ("stalled", {}, "began", "nothing succeeds any more", "Look first at ferryman status"),
        ("stalled", {}, "over", "the work goes on again", "It began at"),
        ("disk", {"free": 2**20}, "again", "still: only 1 MiB are free on the state database's disk", "Free some"),
        ("disk", {}, "over", "there is room again on the state database's disk", "It began at"),
        ("changed", {"tags": 4, "names": ["a:1.2.3"]}, "began", "upstream changed 4 version tags", "a:1.2.3 and"),
    ],
)  # fmt: skip
def test_each_event_has_its_words(
    event: NotifyEvent, facts: Mapping[str, Any], phase: Phase, title: str, line: str
) -> None:
    written = message([told(event, facts, phase)], "en", page=None)

    assert written.title == f"Ferryman: {title}"
    assert any(each.startswith(line) for each in written.body.splitlines())
    assert written.failed is (phase != "over" and event not in {"changed", "prune"})


def test_chinese_is_written_in_chinese() -> None:
    written = message([told("incomplete", missing("etcd", "v3.5"))], "zh", page=PAGE)

    assert written.title == "Ferryman: 同步不完整：etcd（缺 1 个 Tag）"
    assert written.body.splitlines() == [
        "自 2026-01-01 09:12 UTC 起。", "etcd:v3.5", "GET https:⁄⁄quay.io/v2/coreos/etcd: it is private, or missing",
        "检查 source 的拼写；若是私有仓库，为它配置账号。", "", PAGE,
    ]  # fmt: skip
    assert trial("notify[1] (dingtalk)", "zh", page=None) == Message(
        "Ferryman: 通知可用", "这是一条测试消息：notify［1］ (dingtalk) 可以收到通知。"
    )
    assert database_message("zh", None, page=None).title == "Ferryman: 状态数据库已恢复"


def test_a_failing_database_is_told_with_its_mend() -> None:
    error = "the state database x: the disk is full; free some room"
    written = database_message("en", error, page=PAGE)

    assert written.title == "Ferryman: the state database fails"
    mend = "Free some space on the disk of the state database. Nothing of the record is lost."
    assert written.body.splitlines()[:2] == [error, mend]
    assert written.failed


@pytest.mark.parametrize("event", ["incomplete", "login", "unreachable", "changed"])
def test_texts_of_strangers_do_no_harm(event: NotifyEvent) -> None:
    facts = missing(HOSTILE, HOSTILE, tags=3, error=HOSTILE, registry=HOSTILE, cycles=2, items=3)
    written = message([told(event, facts), told(event, facts, "over", key="x")], "en", page=None)

    text = f"{written.title}\n{written.body}"
    assert not set(text) & set("<>@*[]`\r\x1b\u202e")
    assert "//" not in text
    assert "script" in text
    assert len(written.body.splitlines()) <= 9


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_message_fits_into_every_service(language: Any) -> None:
    long = "很长的名字" * 40
    many = [
        told("incomplete", missing(f"{long}{n}", *[long] * 3, tags=9, error=f"{long} {n}"), key=str(n))
        for n in range(60)
    ]
    written = message(many, language, page=PAGE)

    assert len(f"{written.title}\r\n{written.body}".encode()) <= 2048
    assert written.body.endswith(PAGE)
    assert ("more" if language == "en" else "另有") in written.body
    assert "(+59)" in written.title


QUAY = {"registry": "quay.io", "error": "no", "tags": 1, "cycles": 2, "items": 1, "names": ["etcd"]}
ETCD = missing("etcd", "v3.5", kind="denied", target="registry.example.com/m/etcd")


@pytest.mark.parametrize(
    ("deliveries", "path"),
    [
        ([told("login", QUAY)], "/failures#cause-login-quay.io"),
        ([told("login", QUAY, "over")], "/#registry-quay.io"),
        ([told("unreachable", {**QUAY, "registry": "r.io:5000"})], "/failures#cause-unreachable-r.io%3A5000"),
        ([told("incomplete", ETCD)], "/items/registry.example.com/m/etcd"),
        ([told("incomplete", ETCD, "over")], "/items/registry.example.com/m/etcd"),
        ([told("incomplete", ETCD, key="a"), told("incomplete", ETCD, key="b")], "/failures#cause-denied-quay.io"),
        ([told("stalled", {})], "/waiting"),
        ([told("changed", {"tags": 1, "names": ["etcd:v1"], "target": "r.io/m/etcd"})], "/items/r.io/m/etcd"),
        ([told("changed", {"tags": 2, "names": ["a:1", "b:1"], "target": None})], ""),
        ([told("disk", {"free": 1})], ""),
        ([told("incomplete", missing("etcd", "v3.5"))], ""),  # of an earlier version of Ferryman
    ],
)
def test_each_message_leads_to_what_it_is_about(deliveries: list[Delivery], path: str) -> None:
    for page in (PAGE, f"{PAGE}/ferryman"):
        assert message(deliveries, "en", page=page).body.endswith(f"\n\n{page}{path}")


def test_several_causes_have_a_link_each() -> None:
    links = [line for line in message([told("login", QUAY), told("incomplete", ETCD, key="b")], "en", page=PAGE)
             .body.splitlines() if line.startswith("http")]  # fmt: skip
    assert links == [f"{PAGE}/failures#cause-login-quay.io", f"{PAGE}/items/registry.example.com/m/etcd"]
