"""Where answers may point to."""

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from ferryman.errors import Unsupported
from ferryman.registry.links import forbid_inward, redirect, resolve
from ferryman.registry.messages import Answer, Request

PAGE = URL("https://quay.example/v2/a/b/tags/list?n=2")


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("https://a.example/", "https://b.example/"),
        ("https://a.example/", "https://8.8.8.8/"),
        ("http://a.example/", "https://a.example/"),
        ("http://10.0.0.5:5000/", "http://10.0.0.5:5001/token"),
        ("http://127.0.0.1:5000/", "http://localhost:5001/token"),
        ("http://localhost:5000/", "http://[::1]:5001/token"),
    ],
)
def test_outward_and_own_places_are_allowed(source: str, target: str) -> None:
    assert resolve(URL(source), target) == URL(target, encoded=True)
    forbid_inward(URL(source), URL(target), what="a redirect")


@pytest.mark.parametrize(
    "target",
    [
        "https://127.0.0.1/", "https://127.1/", "https://0x7f000001/", "https://2130706433/", "https://localhost/",
        "https://x.localhost/", "https://localhost./", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://10.0.0.1/",
        "https://192.168.1.1:8080/", "https://169.254.169.254/latest/", "https://0.0.0.0/", "https://[fd00::1]/",
        "https://[fe80::1]/", "http://a.example/",
    ],
)  # fmt: skip
def test_inward_places_are_refused(target: str) -> None:
    with pytest.raises(Unsupported, match="not followed"):
        forbid_inward(URL("https://a.example/"), resolve(URL("https://a.example/"), target), what="a redirect")


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
    answer = Answer(status, PAGE, CIMultiDictProxy(CIMultiDict({"Location": "https://cdn.example/x?sig=a%2Bb"})))
    assert redirect(answer, request) == (URL("https://cdn.example/x?sig=a%2Bb", encoded=True) if followed else None)
