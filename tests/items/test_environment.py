"""`${NAME}`, `${NAME:-default}` and `$$`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.items.environment import FromEnvironment, substitute

EXPECTED = r"expected \$\{NAME\} or \$\{NAME:-default\} after '\$\{', or \$\$ for a dollar sign"
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain", "plain"),
        ("${A}", "a"),
        ("x${A}y${A}", "xaya"),
        ("${A:-b}", "a"),
        ("${NONE:-b}", "b"),
        ("${EMPTY:-b}", "b"),
        ("${EMPTY}", ""),
        ("${NONE:-}", ""),
        ("${NONE:-127.0.0.1:5000/m/}", "127.0.0.1:5000/m/"),
        ("$${A}", "${A}"),
        ("$$$${A}", "$${A}"),
        ("^v1$", "^v1$"),
        ("$A", "$A"),
    ],
)
def test_what_is_filled_in(text: str, filled: str) -> None:
    assert substitute(text, {"A": "a", "EMPTY": ""}) == filled


@pytest.mark.parametrize("text", ["${", "${A", "${}", "${1A}", "${A-b}", "${A:?b}", "${A:-${B}}", "${ A }"])
def test_what_is_no_variable(text: str) -> None:
    with pytest.raises(ValueError, match=EXPECTED):
        substitute(text, {"A": "a", "B": "b"})


def test_all_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match=r"^not set in the environment: B, A \(.*\$\{B:-…\}\)$"):
        substitute("${B}${A}${B}${C}", {"C": "c"})


def test_only_what_the_environment_gave_may_stand_for_a_number() -> None:
    assert isinstance(substitute("${A}", {"A": "3"}), FromEnvironment)
    assert not isinstance(substitute("3", {"A": "3"}), FromEnvironment)


@given(NAMES, st.text(), st.text(alphabet=st.characters(exclude_characters="$")))
def test_a_value_arrives_as_it_is_whatever_it_holds(name: str, value: str, around: str) -> None:
    assert substitute(f"{around}${{{name}}}{around}", {name: value}) == around + value + around


@given(st.text())
def test_dollars_that_are_doubled_come_back_single(text: str) -> None:
    assert substitute(text.replace("$", "$$"), {}) == text
