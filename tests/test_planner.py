"""The planner: a reason for every tag, the three orders, and what counts as mirrored."""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman import planner, versions
from ferryman.discovery.base import TagProblem, UpstreamTag
from ferryman.errors import Unreachable
from ferryman.items.model import Order, Rules
from ferryman.planner import Decision, Mirrored, RuleSelector, rules_fingerprint
from ferryman.platforms import Platform, Platforms
from ferryman.store.records import Status
from ferryman.versions import Key
from tests.support.upstreams import made_up_digest

AMD64 = Platform.parse("linux/amd64")
ARM64 = Platform.parse("linux/arm64")
WINDOWS = Platform.parse("windows/amd64")
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
plan = partial(planner.plan, now=NOON)
SIGNATURE = f"sha256-{'a' * 64}"


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def tag(
    name: str, letter: str | None = "a", *, age: int | None = 0, platforms: Mapping[Platform, str | None] | None = None
) -> UpstreamTag:
    """A tag that was pushed `age` hours before noon."""
    pushed_at = None if age is None else NOON - timedelta(hours=age)
    return UpstreamTag(name, digest(letter) if letter else None, pushed_at, platforms)


def rules(
    *,
    limit: int = 9999,
    include: str = "",
    exclude: str = "",
    pin: str = "",
    order: Order = "newest",
    referrers: bool = False,
) -> Rules:
    """Patterns are separated by spaces."""
    compiled: dict[str, Any] = {
        key: tuple(map(re.compile, text.split()))
        for key, text in (("include", include), ("exclude", exclude), ("pin", pin))
    }
    return Rules(limit=limit, order=order, referrers=referrers, **compiled)


def belonging(letter: str, suffix: str = ".sig") -> str:
    """The name of a tag of cosign's, or of a list of referrers."""
    return f"sha256-{letter * 64}{suffix}"


def decide(
    *tags: UpstreamTag,
    by: Rules | None = None,
    platforms: str | None = None,
    mirrored: Mapping[str, Mirrored] | None = None,
) -> dict[str, Decision]:
    wanted = Platforms.parse(platforms.split(",") if "/" in platforms else platforms) if platforms else None
    return {each.tag: each for each in plan(by or rules(), wanted, AMD64, tags, mirrored or {})}


def outcome(upstream: UpstreamTag, record: Mirrored | None, platforms: str | None = None) -> tuple[str, str]:
    decision = decide(upstream, platforms=platforms, mirrored={upstream.name: record} if record else {})[upstream.name]
    return decision.action, decision.reason


def ranked(decisions: Mapping[str, Decision]) -> list[str]:
    return [each.tag for each in sorted(decisions.values(), key=lambda each: each.rank) if each.action != "skip"]


# Which tags are wanted


def test_every_rule_gives_its_own_reason() -> None:
    decisions = decide(
        tag("v1.3"), tag("v1.2", age=1), tag("v1.1", age=2), tag("v1.4-rc1"), tag("main"), tag("latest", age=99),
        tag(SIGNATURE + ".sig"), tag("v1.3-nanoserver"), tag("v1.5", platforms={WINDOWS: None}),
        tag("v1.6", platforms={ARM64: None}), tag("v1.7", None, age=-1),
        by=rules(limit=3, include=r"v\d.*", exclude=".*-rc.*", pin="latest"), platforms="linux/amd64",
    )  # fmt: skip
    assert {name: (each.action, each.reason) for name, each in decisions.items()} == {
        "v1.7": ("fail", "no-digest"),
        "v1.3": ("copy", "new"),
        "v1.2": ("copy", "new"),
        "v1.1": ("skip", "beyond-limit"),
        "v1.4-rc1": ("skip", "excluded"),
        "main": ("skip", "not-included"),
        "latest": ("copy", "new"),
        SIGNATURE + ".sig": ("skip", "signature"),
        "v1.3-nanoserver": ("skip", "windows"),
        "v1.5": ("skip", "windows"),
        "v1.6": ("skip", "platform"),
    }


def test_details_name_the_rule() -> None:
    decisions = decide(
        tag("1-rc1"), tag("2", platforms={ARM64: None, WINDOWS: None}), by=rules(exclude=".*-rc.*"), platforms="native"
    )
    assert decisions["1-rc1"].detail == "excluded by '.*-rc.*'"
    assert decisions["2"].detail == "for linux/arm64, windows/amd64 only, wanted for native"


def test_patterns_are_over_the_whole_name() -> None:
    decisions = decide(tag("1.2"), tag("1.2-alpine"), by=rules(include=r"1\.2"))
    assert decisions["1.2"].action == "copy"
    assert decisions["1.2-alpine"].reason == "not-included"


@pytest.mark.parametrize("suffix", ["", ".sig", ".att", ".sbom"])
def test_signatures_are_not_versions_whatever_include_says(suffix: str) -> None:
    assert decide(tag(SIGNATURE + suffix), by=rules(include=".*"))[SIGNATURE + suffix].reason == "signature"


@pytest.mark.parametrize("name", ["ltsc2022-windowsservercore", "1.2-nanoserver-1809", "windows-amd64", "1.2-Windows"])
def test_windows_is_recognised_by_name_if_the_list_has_no_platforms(name: str) -> None:
    assert decide(tag(name))[name].reason == "windows"
    assert decide(tag(name, platforms={AMD64: None}))[name].reason == "new"
    assert decide(tag(name), platforms="all")[name].reason == "new"
    assert decide(tag(name), platforms="windows/amd64,linux/amd64")[name].reason == "new"


@pytest.mark.parametrize(
    ("platforms", "wanted"),
    [(None, {"arm", "both"}), ("native", {"both"}), ("linux", {"arm", "both"}), ("linux/arm64", {"arm", "both"}),
     ("windows/amd64", {"win", "both"}), ("linux/s390x", set()), ("all", {"arm", "both", "win"})],
)  # fmt: skip
def test_a_tag_without_a_wanted_platform_is_left_out(platforms: str | None, wanted: set[str]) -> None:
    decisions = decide(
        tag("arm", platforms={ARM64: None}),
        tag("both", platforms={AMD64: None, ARM64: None, WINDOWS: None}),
        tag("win", platforms={WINDOWS: None}),
        platforms=platforms,
    )
    assert {name for name, each in decisions.items() if each.action == "copy"} == wanted


def test_the_limit_counts_after_every_other_rule_and_pins_are_exempt() -> None:
    names = [tag(f"1.{age}", age=age) for age in range(10)]
    decisions = decide(
        *names, tag("edge", age=-3), tag("arm", age=-2, platforms={ARM64: None}), tag("stable", age=50),
        by=rules(limit=2, exclude="edge", pin="stable 1.0"), platforms="native",
    )  # fmt: skip
    assert ranked(decisions) == ["1.0", "1.1", "1.2", "stable"]
    assert {name for name, each in decisions.items() if each.pinned} == {"1.0", "stable"}


def test_a_pin_overrides_every_rule_about_names() -> None:
    decisions = decide(
        tag("nightly-windows"), tag(SIGNATURE), tag("win", platforms={WINDOWS: None}),
        by=rules(limit=0, include="none", exclude=".*", pin="nightly-windows win sha256-.*"),
    )  # fmt: skip
    assert {name: each.reason for name, each in decisions.items()} == {
        "nightly-windows": "new",
        SIGNATURE: "new",
        "win": "windows",
    }


# In which order


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("newest", ["v1.9.0", "1.10-rc.1", "latest", "1.10", "1.10-alpine", "main-9"]),
        ("version", ["1.10", "1.10-alpine", "1.10-rc.1", "v1.9.0", "main-9", "latest"]),
        ("name", ["v1.9.0", "main-9", "latest", "1.10-rc.1", "1.10-alpine", "1.10"]),
    ],
)
def test_orders(order: Order, expected: list[str]) -> None:
    decisions = decide(
        tag("latest", age=3), tag("1.10", age=None), tag("v1.9.0", age=1), tag("1.10-alpine", age=None),
        tag("main-9", age=None), tag("1.10-rc.1", age=2), by=rules(order=order),
    )  # fmt: skip
    assert ranked(decisions) == expected


names_of_tags = st.lists(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,12}", fullmatch=True), unique=True, max_size=12)


@pytest.mark.parametrize("order", ["newest", "version"])
def test_a_selector_derives_the_usual_form_of_a_version_once(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    derived: list[int] = []

    def version_order(names: Sequence[str]) -> Callable[[str], Key]:
        derived.append(len(names))
        return versions.version_order(names)

    monkeypatch.setattr(planner, "version_order", version_order)
    pushed_in_threes = [tag(f"1.{number}", age=number // 3) for number in range(60)]
    selector = RuleSelector(rules(order=order), None, AMD64)
    first = selector.select(pushed_in_threes)
    assert selector.select(reversed(pushed_in_threes)) == first
    assert derived == [60, 60]  # the second time for the other order of arrival


orders: st.SearchStrategy[Order] = st.sampled_from(["newest", "version", "name"])


@given(names_of_tags, orders, st.integers(0, 9), st.randoms())
def test_any_order_is_total_and_independent_of_the_order_of_arrival(
    names: list[str], order: Order, limit: int, chance: random.Random
) -> None:
    tags = [tag(name, age=age % 3 if age % 4 else None) for age, name in enumerate(names)]
    first = plan(rules(limit=limit, order=order), None, AMD64, tags, {})
    assert [each.rank for each in first] == list(range(len(names)))
    assert sum(each.action == "copy" for each in first) <= limit
    shuffled = chance.sample(tags, len(tags))
    assert plan(rules(limit=limit, order=order), None, AMD64, shuffled, {}) == first


# What counts as mirrored


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (None, ("copy", "new")),
        (Mirrored("synced", digest("a")), ("keep", "up-to-date")),
        (Mirrored("synced", digest("b")), ("copy", "changed")),
        (Mirrored("synced", digest("a"), "linux"), ("copy", "changed")),
        (Mirrored("skipped"), ("copy", "new")),
        (Mirrored("skipped", digest("a")), ("keep", "up-to-date")),
        (Mirrored("skipped", lacking_platforms=digest("a")), ("skip", "platform")),
        (Mirrored("skipped", lacking_platforms=digest("b")), ("copy", "new")),
        (Mirrored("failed"), ("copy", "retry")),
        (Mirrored("failed", digest("b")), ("copy", "retry")),
        (Mirrored("queued"), ("copy", "queued")),
        (Mirrored("queued", digest("a")), ("copy", "queued")),
        (Mirrored("running", digest("b")), ("copy", "queued")),
        (Mirrored("synced", digest("b"), rolled_back=True), ("keep", "rolled-back")),
        (Mirrored("synced", rolled_back=True), ("keep", "rolled-back")),
    ],
)
def test_the_recorded_upstream_digest_decides(record: Mirrored | None, expected: tuple[str, str]) -> None:
    assert outcome(tag("1"), record) == expected


def test_platforms_are_compared_as_a_set() -> None:
    record = Mirrored("synced", digest("a"), "linux/arm64,linux/amd64")
    assert outcome(tag("1"), record, "linux/amd64,linux/arm64") == ("keep", "up-to-date")
    assert outcome(tag("1"), record, "linux/amd64") == ("copy", "changed")


def test_a_changed_tag_says_from_what_to_what() -> None:
    assert (
        decide(tag("1"), mirrored={"1": Mirrored("synced", digest("b"))})["1"].detail == f"{'b' * 12} became {'a' * 12}"
    )


def imported(letter: str | None, status: Status = "synced", *, age: int | None = 0) -> Mirrored:
    pushed_at = None if age is None else NOON - timedelta(hours=age)
    return Mirrored(status, digest(letter) if letter else None, imported=True, pushed_at=pushed_at)


@pytest.mark.parametrize("platforms", [None, "linux", "linux/arm64"])
def test_an_imported_tag_is_taken_over_for_whatever_platforms(platforms: str | None) -> None:
    both: Mapping[Platform, str | None] = {AMD64: digest("b"), ARM64: digest("c")}
    assert outcome(tag("1"), imported("a"), platforms) == ("keep", "up-to-date")
    assert outcome(tag("1", platforms=both), imported("b"), platforms) == ("adopt", "up-to-date")
    assert outcome(tag("1", platforms=both), imported("c"), platforms) == ("copy", "changed")


@pytest.mark.parametrize(
    ("platforms", "uncertain"),
    [
        (None, True),
        ({AMD64: None, ARM64: None}, True),
        ({AMD64: digest("b")}, False),
        ({ARM64: digest("c")}, False),
        ({}, False),
    ],
)
def test_an_imported_digest_is_uncertain_if_the_list_has_no_platforms(
    platforms: Mapping[Platform, str | None] | None, uncertain: bool
) -> None:
    decision = decide(tag("1", platforms=platforms), mirrored={"1": imported("d")})["1"]
    assert (decision.action, decision.reason, decision.uncertain) == ("copy", "changed", uncertain)


@pytest.mark.parametrize(
    ("recorded", "now", "expected"),
    [
        (0, 0, "adopt"),
        (0, 8, "adopt"),
        (0, 24, "adopt"),
        (0, 25, "copy"),
        (25, 0, "copy"),
        (None, 0, "adopt"),
        (0, None, "adopt"),
    ],
)
def test_the_word_unknown_is_believed_unless_the_times_differ_by_more_than_a_day(
    recorded: int | None, now: int | None, expected: str
) -> None:
    assert outcome(tag("1", age=now), imported(None, age=recorded))[0] == expected


def test_what_is_not_wanted_is_skipped_whatever_was_mirrored() -> None:
    decisions = decide(tag("1"), tag("2", age=1), by=rules(limit=1), mirrored={"2": Mirrored("synced", digest("b"))})
    assert decisions["2"].reason == "beyond-limit"


# What a survey asks of the rules


def test_literal_pins_are_known_by_name() -> None:
    def pins(pin: str) -> tuple[str, ...]:
        return RuleSelector(rules(pin=pin), None, AMD64).pinned_names

    assert pins(r"latest 1.25 v1\.30\.0 lts\-1") == ("latest", "1.25", "v1.30.0", "lts-1")
    assert pins(r"v1\.\d+ .* (a|b) -1 [0-9] x{2}") == ()


@pytest.mark.parametrize(
    ("by", "met"),
    [
        (rules(limit=2), True),
        (rules(limit=3), False),
        (rules(limit=2, pin="latest"), True),
        (rules(limit=2, pin="1.1"), False),
        (rules(limit=2, pin="1.[15]"), False),
        (rules(limit=2, exclude="1.2"), False),
        (rules(limit=2, order="version"), False),
        (rules(limit=2, order="name"), False),
    ],
)
def test_the_newest_tags_meet_a_limit_only_if_nothing_older_can_be_wanted(by: Rules, met: bool) -> None:
    newest = [tag("1.1"), tag("1.2", age=1), tag("1.3", age=2, platforms={WINDOWS: None})]
    assert RuleSelector(by, None, AMD64).is_limit_reached(newest) is met


def test_a_fingerprint_changes_with_everything_that_decides() -> None:
    nginx = "docker.io/library/nginx"
    texts = [
        rules_fingerprint(rules(), None, nginx),
        rules_fingerprint(rules(), None, "docker.io/library/httpd"),
        rules_fingerprint(rules(), Platforms.parse("linux"), nginx),
        rules_fingerprint(rules(limit=1), None, nginx),
        rules_fingerprint(rules(include="a"), None, nginx),
        rules_fingerprint(rules(exclude="a"), None, nginx),
        rules_fingerprint(rules(pin="a"), None, nginx),
        rules_fingerprint(rules(order="name"), None, nginx),
    ]
    assert len(set(texts)) == len(texts)
    assert rules_fingerprint(rules(), None, nginx) == texts[0]


# What belongs to the wanted images


def test_referrers_of_wanted_images_come_last_and_do_not_count_against_the_limit() -> None:
    decisions = decide(
        tag(belonging("b"), "1"), tag("v2", "a"), tag(belonging("a"), "2"), tag(belonging("a", ".sbom"), "3", age=1),
        tag(belonging("a", ""), "4", age=2), tag("v1", "b", age=3), tag("v0", "c", age=4), tag(belonging("c"), "5"),
        by=rules(limit=2, include="v.*", referrers=True),
    )  # fmt: skip
    assert ranked(decisions)[:2] == ["v2", "v1"]
    assert set(ranked(decisions)[2:]) == {
        belonging("a"), belonging("a", ".sbom"), belonging("a", ""), belonging("b")
    }  # fmt: skip
    assert decisions[belonging("c")].reason == "signature"


def test_referrers_of_a_signature_are_wanted_too() -> None:
    decisions = decide(
        tag(belonging("d"), "e"), tag(belonging("b"), "d"), tag(belonging("a"), "b"), tag("v1", "a"),
        by=rules(referrers=True),
    )  # fmt: skip
    assert ranked(decisions) == ["v1", belonging("a"), belonging("b"), belonging("d")]


def test_of_a_platform_that_is_left_out_and_of_the_index_that_is_rebuilt_nothing_is_wanted() -> None:
    whole = tag("v1", "a", platforms={AMD64: digest("b"), WINDOWS: digest("c")})
    signatures = [tag(belonging(letter), str(number)) for number, letter in enumerate("abc")]
    decisions = decide(whole, *signatures, by=rules(referrers=True))
    assert ranked(decisions) == ["v1", belonging("b")]
    assert decisions[belonging("a")].reason == "rebuilt"
    assert "v1" in decisions[belonging("a")].detail
    assert decisions[belonging("c")].reason == "signature"
    assert set(ranked(decide(whole, *signatures, by=rules(referrers=True), platforms="all"))) == {
        "v1", *(belonging(letter) for letter in "abc")
    }  # fmt: skip


class Compared(str):
    """A digest that counts how often it is compared."""

    times = 0

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return super().__eq__(other)

    __hash__ = str.__hash__


def test_the_image_of_a_signature_is_not_searched_among_all_of_them() -> None:
    """Or a plan for 4,000 signed images would take ten seconds."""
    digests = [Compared(made_up_digest(str(number))) for number in range(300)]
    platforms = {AMD64: made_up_digest("amd64"), WINDOWS: made_up_digest("windows")}
    images = [UpstreamTag(f"v{number}", each, NOON, platforms) for number, each in enumerate(digests)]
    signatures = [tag(f"{each.replace(':', '-')}.sig") for each in digests]
    Compared.times = 0
    decisions = decide(*images, *signatures, by=rules(referrers=True))
    assert {decisions[each.name].reason for each in signatures} == {"rebuilt"}
    assert Compared.times < 10 * len(digests)


def test_exclude_holds_for_signatures_and_pins_too() -> None:
    tags = [tag("v1", "a"), tag(belonging("a", ".sbom"), "b"), tag(belonging("a"), "c"), tag(belonging("f"), "d")]
    decisions = decide(*tags, by=rules(exclude=r".*\.sbom", pin=belonging("f"), referrers=True))
    assert set(ranked(decisions)) == {"v1", belonging("a"), belonging("f")}
    assert sum(each.tag == belonging("f") for each in plan(rules(pin=".*", referrers=True), None, AMD64, tags, {})) == 1


def test_a_signature_that_was_mirrored_is_kept_and_another_one_copied() -> None:
    signed = [tag("v1", "a"), tag(belonging("a"), "b")]
    known = {"v1": Mirrored("synced", digest("a")), belonging("a"): Mirrored("synced", digest("b"))}
    assert decide(*signed, by=rules(referrers=True), mirrored=known)[belonging("a")].action == "keep"
    known[belonging("a")] = Mirrored("synced", digest("c"))
    decision = decide(*signed, by=rules(referrers=True), mirrored=known)[belonging("a")]
    assert (decision.action, decision.reason) == ("copy", "changed")


def test_an_image_whose_referrers_changed_is_copied_again() -> None:
    assert outcome(tag("v1"), Mirrored("synced", digest("a"), referrers_changed=True)) == ("copy", "referrers")
    assert outcome(tag("v1"), Mirrored("synced", digest("a"), imported=True, referrers_changed=True))[1] == "referrers"
    assert outcome(tag("v1"), Mirrored("queued", digest("a"), referrers_changed=True)) == ("copy", "queued")


def test_platforms_are_asked_for_only_where_signatures_may_belong_to_them() -> None:
    told, untold = tag("v2", "a", platforms={AMD64: digest("b")}), tag("v1", "c")
    by = RuleSelector(rules(referrers=True), None, AMD64)
    assert by.needing_platforms([told, untold]) == []
    assert by.needing_platforms([told, untold, tag(belonging("f"), "d")]) == ["v1"]
    assert by.needing_platforms([tag("v1", "c"), tag(belonging("c"), "d")]) == ["v1"]
    assert RuleSelector(rules(), None, AMD64).needing_platforms([untold, tag(belonging("f"), "d")]) == []


def test_asking_for_referrers_is_another_rule() -> None:
    assert rules_fingerprint(rules(), None, "s") != rules_fingerprint(rules(referrers=True), None, "s")


# What cannot be read


def unread(name: str, about: Literal["digest", "age", "platforms"] = "digest") -> TagProblem:
    return TagProblem(name, Unreachable("answered 500"), about)


@pytest.mark.parametrize("status", get_args(Status))
def test_a_wanted_tag_that_cannot_be_read_fails_unless_it_is_queued(status: Status) -> None:
    record = Mirrored(status, digest=digest("a") if status == "synced" else None)
    [decision] = plan(rules(), None, AMD64, [tag("1")], {"1": record}, problems=[unread("1")])
    queued = status in {"queued", "running"}
    assert (decision.action, decision.reason) == (("copy", "queued") if queued else ("fail", "unreadable"))
    assert queued or decision.detail == "answered 500"


def test_a_tag_that_cannot_be_read_keeps_its_place_and_one_that_nobody_wants_has_not_failed() -> None:
    tags = [tag("3", None, age=None), tag("2"), tag("1"), tag("4-rc", None, age=None)]
    by = rules(limit=1, order="version", exclude=".*-rc")
    told = plan(by, None, AMD64, tags, {}, problems=[unread("3"), unread("4-rc")])
    assert {each.tag: (each.action, each.reason) for each in told} == {
        "3": ("fail", "unreadable"),
        "2": ("skip", "beyond-limit"),
        "1": ("skip", "beyond-limit"),
        "4-rc": ("skip", "excluded"),
    }


@pytest.mark.parametrize(("order", "age", "reason"), [
    ("newest", None, "unreadable"), ("newest", 9, "beyond-limit"), ("version", None, "beyond-limit"),
])  # fmt: skip
def test_a_tag_of_unknown_age_fails_because_the_limit_may_exclude_it_or_not(
    order: Order, age: int | None, reason: str
) -> None:
    tags = [tag("2", age=1), tag("1", age=age)]
    told = plan(rules(limit=1, order=order), None, AMD64, tags, {}, problems=[unread("1", "age")])
    assert [(each.tag, each.reason) for each in told] == [("2", "new"), ("1", reason)]


def test_platforms_that_cannot_be_read_keep_nothing_from_being_copied() -> None:
    [decision] = plan(rules(), None, AMD64, [tag("1")], {}, problems=[unread("1", "platforms")])
    assert (decision.action, decision.reason) == ("copy", "new")


# What lacks the platform


@pytest.mark.parametrize("pinned", ["", "3"])
def test_a_tag_without_wanted_platforms_does_not_count_against_the_limit(pinned: str) -> None:
    tags = [tag("3", "c"), tag("2", "b", age=1), tag("1", age=2)]
    lacking = {name: Mirrored("skipped", lacking_platforms=digest(letter)) for name, letter in (("3", "c"), ("2", "x"))}
    decisions = decide(*tags, by=rules(limit=1, pin=pinned), mirrored=lacking)
    assert {name: each.reason for name, each in decisions.items()} == {
        "3": "platform",  # not even pinned
        "2": "new",  # it names another image now
        "1": "beyond-limit",
    }


@given(lacks=st.sets(st.integers(0, 19)), limit=st.integers(1, 20))
def test_a_limit_is_filled_as_long_as_there_are_tags(lacks: set[int], limit: int) -> None:
    tags = [tag(str(number), age=number) for number in range(20)]
    record = {str(number): Mirrored("skipped", lacking_platforms=digest("a")) for number in lacks}
    copied = {
        name for name, each in decide(*tags, by=rules(limit=limit), mirrored=record).items() if each.action == "copy"
    }
    assert copied == {str(number) for number in [number for number in range(20) if number not in lacks][:limit]}


def test_nightlies_and_commits_do_not_crowd_out_the_releases() -> None:
    names = ["20240101", "20240102", "1a2b3c4", "build-1234", "1.27.3", "1.27.2", "1.26.0", "99999"]
    decisions = decide(*(tag(name) for name in names), by=rules(limit=2, order="version"))
    assert ranked(decisions) == ["1.27.3", "1.27.2"]
    only_dates = decide(*(tag(name) for name in names), by=rules(limit=1, order="version", include="2024.*"))
    assert ranked(only_dates) == ["20240102"]
