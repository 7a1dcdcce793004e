"""Redirects and links in answers."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from ferryman.addresses import HostList
from ferryman.errors import Unsupported
from ferryman.registry.http.links import forbid_downgrade, in_query, redirect, resolve
from ferryman.registry.http.messages import Request, Response

PAGE = URL("https://quay.example/v2/a/b/tags/list?n=2")


def test_a_redirect_must_not_leave_tls_unless_it_is_allowed() -> None:
    source, target = URL("https://a.example/"), URL("http://storage.corp/")
    with pytest.raises(Unsupported, match=r"from https to http .storage.corp.: not followed"):
        forbid_downgrade(source, target, what="a redirect")
    forbid_downgrade(target, source, what="a redirect")
    answer = Response(307, source, CIMultiDictProxy(CIMultiDict({"Location": str(target)})))
    assert redirect(answer, Request("GET", source), allowed=HostList.parse(["corp"])) == target


@pytest.mark.parametrize("target", ["ftp://x/", "http://user@x/", "http://", "http://x/a b", "//[::1"])
def test_invalid_addresses(target: str) -> None:
    with pytest.raises(Unsupported, match="no web address"):
        resolve(URL("https://a.example/"), target)


@pytest.mark.parametrize(
    ("method", "status", "followed"),
    [
        ("GET", 307, True),
        ("HEAD", 302, True),
        ("PUT", 307, True),
        ("PUT", 302, False),
        ("GET", 304, False),
        ("GET", 200, False),
    ],
)
def test_redirects(method: str, status: int, followed: bool) -> None:
    request = Request(method, PAGE)
    answer = Response(status, PAGE, CIMultiDictProxy(CIMultiDict({"Location": "https://cdn.example/x?sig=a%2Bb"})))
    assert redirect(answer, request) == (URL("https://cdn.example/x?sig=a%2Bb", encoded=True) if followed else None)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_value_of_a_query_is_escaped_as_the_library_does(value: str) -> None:
    assert in_query(value) == quote(value, safe="")
