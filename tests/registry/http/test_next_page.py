"""The next page, in every form of the Link header."""

import pytest
from yarl import URL

from ferryman.errors import Unsupported
from ferryman.registry.http.links import next_page

PAGE = URL("https://quay.example/v2/a/b/tags/list?n=2")
LIST = "https://quay.example/v2/a/b/tags/list"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ('</v2/a/b/tags/list?last=x&n=2>; rel="next"', f"{LIST}?last=x&n=2"),
        (f'<{LIST}?last=x>; rel="next"', f"{LIST}?last=x"),
        ("<https://quay.example:443/v2/x>; rel=next", "https://quay.example/v2/x"),
        ('<?last=x&n=2>; rel="next"', f"{LIST}?last=x&n=2"),
        ('<list?last=%2Fa%20b%3D>; REL="Next"', f"{LIST}?last=%2Fa%20b%3D"),
        ('</first,page>; rel="first", </p2>; title="a, b"; rel="last next"', "https://quay.example/p2"),
        ('</v2/x>; rel="prev"', None),
        ("", None),
        (" , ", None),
        # As loosely as they like:
        ("</v2/x?last=1>", "https://quay.example/v2/x?last=1"),
        ("</v2/x?last=1>; title=more", "https://quay.example/v2/x?last=1"),
        ("</v2/x?last=1>; rel=", "https://quay.example/v2/x?last=1"),
        ("</v2/x?last=1>;rel='next'", "https://quay.example/v2/x?last=1"),
        ('</v2/x?last=1>; rel="next', "https://quay.example/v2/x?last=1"),
        ('  </v2/x?last=1>  ;  rel  =  "next"  ;', "https://quay.example/v2/x?last=1"),
        (r'</v2/x?last=1>; title="a \", b"; rel=next', "https://quay.example/v2/x?last=1"),
        ("/v2/x?last=1&n=2; rel=next", "https://quay.example/v2/x?last=1&n=2"),
        ("/v2/x?last=a,b=&n=2", "https://quay.example/v2/x?last=a,b=&n=2"),
        ("?last=1", f"{LIST}?last=1"),
        (f"{LIST}?last=1", f"{LIST}?last=1"),
        ('/v2/y?last=0; rel="prev", /v2/x?last=1; rel="next"', "https://quay.example/v2/x?last=1"),
        ("</docs>; rel=help, </v2/x?last=1>", "https://quay.example/v2/x?last=1"),
    ],
)
def test_next_page(link: str, expected: str | None) -> None:
    page = next_page([link], PAGE)
    assert (page and str(page)) == expected


def test_several_headers_are_read_together() -> None:
    assert str(next_page(["</1>; rel=prev", "</3>; rel=next"], PAGE)) == "https://quay.example/3"


@pytest.mark.parametrize("link", ["nonsense", "<>; rel=next", "</v2/x?last=1; rel=next", "next", '"/v2/x"; rel=next'])
def test_a_malformed_link_is_an_error_not_the_last_page(link: str) -> None:
    with pytest.raises(Unsupported, match="cannot be read"):
        next_page([link], PAGE)


def test_two_links_without_relation_are_ambiguous() -> None:
    with pytest.raises(Unsupported, match="cannot be told"):
        next_page(["</v2/x?last=1>, </v2/x?last=2>"], PAGE)
    assert str(next_page(["</v2/x?last=1>, </v2/x?last=1>"], PAGE)) == "https://quay.example/v2/x?last=1"


@pytest.mark.parametrize(
    "origin",
    [
        "http://quay.example",
        "https://quay.example:8443",
        "http://registry.internal:5000",
        "//registry",
        "http://[fd00::1]",
        "http://a/api/docker/x",
    ],
)
def test_an_internal_address_of_the_registry_is_read_at_its_endpoint(origin: str) -> None:
    page = next_page([f'<{origin}/v2/a/b/tags/list?last=a%2Bb&n=2>; rel="next"'], PAGE)
    assert str(page) == f"{LIST}?last=a%2Bb&n=2"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/v2/a/c/tags/list",
        "//evil.example/x",
        "http://quay.example/v2/",
        "https://quay.example@evil.example/v2/a/b/tags/list",
        "https://user:password@quay.example/",
        "file:///etc/passwd",
        "https://[::1",
        "http://",
    ],
)
def test_next_page_elsewhere_is_refused(target: str) -> None:
    with pytest.raises(Unsupported, match=r"quay\.example"):
        next_page([f'<{target}>; rel="next"'], PAGE)
