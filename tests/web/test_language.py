"""The page speaks the reader's language."""

import json

import pytest

from ferryman.i18n.languages import negotiate
from tests.web.conftest import StartSite
from tests.web.support import Site


@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        ("", "en"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("zh-TW", "zh"), ("en-GB, zh;q=0.5", "en"), ("fr", "en"),
        ("fr, zh;q=0.1", "zh"), ("zh;q=0, en;q=0.1", "en"), ("zh;q=x", "en"), ("*", "en"), (",;,=,", "en"),
        ("fr," * 10_000 + "zh", "en"),
    ],
    ids=range(11),
)  # fmt: skip
def test_the_header_chooses(accepted: str, code: str) -> None:
    assert negotiate(accepted).code == code


async def test_pages_and_problems_are_in_the_language_of_the_header(site: Site) -> None:
    page = await site.get("/", headers={"Accept-Language": "zh-CN"})
    problem = await site.get("/nowhere", headers={"Accept-Language": "zh-CN", "Accept": "application/json"})

    assert '<html lang="zh-Hans">' in page.text
    assert "<h1>总览</h1>" in page.text
    assert "此处没有内容" in json.loads(problem.text)["detail"]
    assert '<html lang="en">' in (await site.get("/")).text, "the next request on the same connection"


async def test_the_switch_is_kept_and_leads_back(start_site: StartSite) -> None:
    site = await start_site(FERRYMAN_BASE_PATH="/ferryman")
    page = await site.get("/ferryman/?sort=name")
    assert 'href="?sort=name&amp;lang=zh" lang="zh-Hans"' in page.text

    answer = await site.get("/ferryman/?sort=name&lang=zh")

    assert (answer.status, answer.location) == (303, "/ferryman/?sort=name")
    assert "<h1>总览</h1>" in (await site.get(answer.location)).text
    await site.get("/ferryman/?lang=en")
    assert "<h1>Overview</h1>" in (await site.get("/ferryman/", headers={"Accept-Language": "zh"})).text


async def test_an_unknown_language_changes_nothing(site: Site) -> None:
    assert (await site.get("/?lang=xx")).status == 200
    assert (await site.get("/", headers={"Cookie": "ferryman_language=xx"})).status == 200


async def test_the_switch_leads_to_no_other_server(site: Site) -> None:
    answer = await site.get(f"{site.url}//evil.example/?lang=zh")

    assert (answer.status, answer.location) == (303, "/evil.example/")
