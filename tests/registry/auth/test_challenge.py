"""Parsing WWW-Authenticate, as real registries write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.registry.auth.challenge import Challenge, parse_challenges

HUB = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            HUB,
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:library/nginx:pull",
                    },
                )
            ],
        ),
        ('BEARER Realm="a", SERVICE=b', [("bearer", {"realm": "a", "service": "b"})]),
        ('Basic realm="Registry Realm"', [("basic", {"realm": "Registry Realm"})]),
        (
            'Bearer realm="https://x/t",service="s",scope="*",Basic realm="x"',
            [("bearer", {"realm": "https://x/t", "service": "s", "scope": "*"}), ("basic", {"realm": "x"})],
        ),
        (
            'Bearer realm="https://x/t", scope="repository:a:pull,push"',
            [("bearer", {"realm": "https://x/t", "scope": "repository:a:pull,push"})],
        ),
        (r'Basic realm="say \"hi\", \\you"', [("basic", {"realm": r'say "hi", \you'})]),
        ("Bearer realm=https://x/t?a=b,service=s", [("bearer", {"realm": "https://x/t?a=b", "service": "s"})]),
        ("Negotiate YWJj==, Basic realm=x", [("negotiate", {}), ("basic", {"realm": "x"})]),
        ("Negotiate, Bearer realm=x", [("negotiate", {}), ("bearer", {"realm": "x"})]),
        ('Bearer realm = "x" , service = "y"', [("bearer", {"realm": "x", "service": "y"})]),
        ('Bearer realm="x", realm="y"', [("bearer", {"realm": "x"})]),
        ('Bearer realm="cut', [("bearer", {"realm": "cut"})]),
        ('realm="no scheme"', []),
        ("", []),
    ],
)
def test_real_headers(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert parse_challenges([header]) == [Challenge(scheme, parameters) for scheme, parameters in expected]


def test_reads_every_header() -> None:
    assert [found.scheme for found in parse_challenges(["Basic realm=a", HUB])] == ["basic", "bearer"]


@given(st.text(max_size=300))
def test_never_fails(header: str) -> None:
    for challenge in parse_challenges([header]):
        assert challenge.scheme == challenge.scheme.lower()


words = st.from_regex(r"[a-zA-Z][a-zA-Z0-9-]{0,10}", fullmatch=True)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)


@given(st.lists(st.tuples(words, st.dictionaries(words.map(str.lower), values, min_size=1, max_size=4)), max_size=4))
def test_round_trip(challenges: list[tuple[str, dict[str, str]]]) -> None:
    def quote(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    header = ", ".join(
        f"{scheme} " + ", ".join(f"{key}={quote(value)}" for key, value in parameters.items())
        for scheme, parameters in challenges
    )
    assert parse_challenges([header]) == [Challenge(scheme.lower(), parameters) for scheme, parameters in challenges]
