"""Who gets in, and what keeps the others out."""

import json
import re
from http.cookies import Morsel

import aiohttp
import pytest

from ferryman.web.security import gate
from tests.conftest import ReadLog
from tests.web.conftest import StartSite
from tests.web.support import HTML, READ_TOKEN, TOKEN, Answer, Site, bearer

TOKENS = {"FERRYMAN_TOKEN": TOKEN, "FERRYMAN_READ_TOKEN": READ_TOKEN}
PROXY = {"FERRYMAN_TRUSTED_PROXIES": "127.0.0.1", "FERRYMAN_HOSTS": "mirror.example.com"}


def session_of(answer: Answer) -> "Morsel[str]":
    return answer.cookies[gate.COOKIE]


# Who reads


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({}, 200),
        ({"FERRYMAN_READ_TOKEN": "public"}, 200),
        ({"FERRYMAN_READ_TOKEN": "public", "FERRYMAN_TOKEN": TOKEN}, 200),
        ({"FERRYMAN_READ_TOKEN": READ_TOKEN}, 303),
        ({"FERRYMAN_TOKEN": TOKEN}, 303),
        (TOKENS, 303),
    ],
    ids=["no-token", "public", "public-and-token", "read-token", "token", "both"],
)
async def test_who_reads_without_a_token(start_site: StartSite, settings: dict[str, str], status: int) -> None:
    site = await start_site(**settings)

    answer = await site.get("/?sort=name")

    assert answer.status == status
    assert answer.location == ("/login?next=/?sort%3Dname" if status == 303 else "")


@pytest.mark.parametrize(
    ("token", "status"), [(TOKEN, 200), (READ_TOKEN, 200), ("wrong-0123456789abcdef", 401), ("", 401)]
)
async def test_a_program_shows_its_token(start_site: StartSite, token: str, status: int) -> None:
    site = await start_site(**TOKENS)

    answer = await site.get("/", headers=bearer(token))

    assert answer.status == status
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_a_wrong_token_is_told_even_where_everybody_reads(start_site: StartSite) -> None:
    site = await start_site(FERRYMAN_READ_TOKEN="public", FERRYMAN_TOKEN=TOKEN)

    assert (await site.get("/", headers=bearer("wrong"))).status == 401


async def test_without_tokens_only_this_machine_reads_not_who_comes_by_a_proxy(site: Site) -> None:
    answer = await site.get("/", headers={"X-Forwarded-For": "203.0.113.7"})

    assert answer.status == 403
    assert "FERRYMAN_READ_TOKEN" in answer.text


async def test_readiness_tells_strangers_its_verdict_only(start_site: StartSite) -> None:
    site = await start_site(**TOKENS)

    assert json.loads((await site.get("/readyz")).text) == {"ready": False}
    assert json.loads((await site.get("/readyz", headers=bearer("wrong"))).text) == {"ready": False}
    assert "sentence" in json.loads((await site.get("/readyz", headers=bearer(READ_TOKEN))).text)


# Sessions


@pytest.mark.parametrize("token", [TOKEN, READ_TOKEN])
async def test_a_login_lasts_until_the_logout(start_site: StartSite, token: str) -> None:
    site = await start_site(**TOKENS)

    answer = await site.log_in(token, next="/?sort=name")

    assert (answer.status, answer.location) == (303, "/?sort=name")
    assert (await site.get("/")).status == 200
    assert (await site.get("/login")).location == "/"
    answer = await site.post("/logout", {"form_token": await site.form_token("/")})
    assert (answer.status, answer.location) == (303, "/login")
    assert (await site.get("/")).status == 303


async def test_the_cookie_is_for_this_site_and_its_server_alone(start_site: StartSite) -> None:
    site = await start_site(**TOKENS, FERRYMAN_BASE_PATH="/ferryman")

    cookie = session_of(await site.log_in(TOKEN))

    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Strict", "")
    assert (cookie["max-age"], cookie["path"]) == (str(12 * 3600), "/ferryman")
    assert TOKEN not in cookie.value


async def test_the_cookie_is_secure_behind_tls(start_site: StartSite) -> None:
    site = await start_site(**TOKENS, **PROXY)
    proxied = {
        "X-Forwarded-Proto": "https", "X-Forwarded-Host": "mirror.example.com:443", "X-Forwarded-For": "203.0.113.7",
        "Origin": "https://mirror.example.com",
    }  # fmt: skip
    page = await site.get("/login", headers=proxied)
    shown = page.text.partition('name="form_token" value="')[2].partition('"')[0]
    visitor = page.cookies["ferryman_visitor"]

    answer = await site.post(
        "/login",
        {"form_token": shown, "token": TOKEN},
        headers={**proxied, "Cookie": f"ferryman_visitor={visitor.value}"},
    )

    assert visitor["secure"]
    assert session_of(answer)["secure"]


async def test_another_token_ends_every_session(start_site: StartSite) -> None:
    before, after = await start_site(**TOKENS), await start_site(**{**TOKENS, "FERRYMAN_TOKEN": TOKEN + "2"})
    acting = session_of(await before.log_in(TOKEN)).value
    before.http.cookie_jar.clear()
    reading = session_of(await before.log_in(READ_TOKEN)).value

    before.http.cookie_jar.clear()
    assert (await before.get("/", headers={"Cookie": f"{gate.COOKIE}={acting}"})).status == 200
    assert (await after.get("/", headers={"Cookie": f"{gate.COOKIE}={acting}"})).status == 303
    assert (await after.get("/", headers={"Cookie": f"{gate.COOKIE}={reading}"})).status == 200


@pytest.mark.parametrize("change", [("read.", "act."), (".", ".9"), ("read", "admin"), ("read.", "")])
async def test_a_changed_cookie_is_none(start_site: StartSite, change: tuple[str, str]) -> None:
    site = await start_site(**TOKENS)
    value = session_of(await site.log_in(READ_TOKEN)).value
    site.http.cookie_jar.clear()

    changed = value.replace(*change, 1)

    assert changed != value
    assert (await site.get("/", headers={"Cookie": f"{gate.COOKIE}={changed}"})).status == 303


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "/\tx", "evil"])
async def test_a_login_leads_to_no_other_server(start_site: StartSite, target: str) -> None:
    site = await start_site(**TOKENS)

    assert (await site.log_in(TOKEN, next=target)).location == "/"


async def test_a_link_from_elsewhere_is_followed_in_two_steps(start_site: StartSite) -> None:
    """The first request lacks the SameSite=Strict cookie."""
    site = await start_site(**TOKENS)

    answer = await site.get("/?sort=name", headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status == 200
    assert 'http-equiv="refresh" content="0; url=/login?next=/?sort%3Dname"' in answer.text


# Guessing


async def test_five_wrong_tokens_make_an_address_wait(start_site: StartSite) -> None:
    site = await start_site(**TOKENS)
    await site.log_in(TOKEN)
    for _ in range(5):
        assert (await site.get("/", headers=bearer("wrong"))).status == 401

    answer = await site.get("/", headers=bearer(TOKEN))

    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert (await site.get("/")).status == 200, "a session is no guess"
    site.http.cookie_jar.clear()
    refused = await site.log_in(TOKEN)
    assert refused.status == 429
    assert "Try again in" in refused.text


async def test_a_wrong_token_at_the_form_is_told_there(start_site: StartSite) -> None:
    site = await start_site(**TOKENS)

    answer = await site.log_in("wrong", next="/?sort=name")

    assert answer.status == 401
    assert 'role="alert">This token is wrong.' in answer.text
    assert 'name="next" value="/?sort=name"' in answer.text


# Forms


async def test_a_form_needs_its_token_and_our_origin(start_site: StartSite) -> None:
    site = await start_site(**TOKENS)
    await site.log_in(TOKEN)
    right = {"form_token": await site.form_token("/")}

    assert (await site.post("/logout", {})).status == 403
    assert (await site.post("/logout", {"form_token": "0" * 64})).status == 403
    assert (await site.post("/logout", right, headers={"Origin": "http://evil.example"})).status == 403
    assert (await site.post("/logout", right, headers={"Origin": "null"})).status == 403
    async with site.http.post("/logout", data=right, headers=HTML) as without_origin:
        assert without_origin.status == 403
    assert (await site.post("/logout", right)).status == 303


async def test_a_form_of_one_session_is_not_good_in_another(start_site: StartSite) -> None:
    site = await start_site(**TOKENS)
    await site.log_in(TOKEN)
    other = await site.form_token("/")
    site.http.cookie_jar.clear()
    await site.log_in(READ_TOKEN)

    assert (await site.post("/logout", {"form_token": other})).status == 403


async def test_the_login_form_is_good_for_its_visitor_only(start_site: StartSite) -> None:
    site = await start_site(**TOKENS)
    shown = await site.form_token("/login")
    site.http.cookie_jar.clear()

    assert (await site.post("/login", {"form_token": shown, "token": TOKEN})).status == 403


# Headers


@pytest.mark.parametrize("path", ["/", "/login", "/nowhere", "/healthz", "/assets/none.css"])
async def test_every_answer_has_the_headers_that_protect_it(site: Site, path: str) -> None:
    answer = await site.get(path)
    policy = answer.headers["Content-Security-Policy"]

    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "unsafe" not in policy
    assert {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy.split("; "))
    assert "Server" not in answer.headers or "aiohttp" in answer.headers["Server"]


async def test_every_script_and_sheet_has_the_nonce_of_its_answer(site: Site) -> None:
    first, second = await site.get("/"), await site.get("/")
    nonces = [re.findall(r"'nonce-([^']+)'", answer.headers["Content-Security-Policy"]) for answer in (first, second)]

    assert nonces[0][0] == nonces[0][1] != nonces[1][0]
    loaded = re.findall(r"<(?:script|link rel=\"stylesheet\")[^>]*>", first.text)
    assert len(loaded) == 6
    assert all(f'nonce="{nonces[0][0]}"' in element for element in loaded)
    assert not re.search(r"<[^>]+ (?:style|on\w+)=", first.text)


# Hosts and proxies


async def test_the_host_must_be_one_of_ours(start_site: StartSite) -> None:
    site = await start_site(FERRYMAN_HOSTS="mirror.example.com")
    ours = ("localhost:8080", "127.0.0.1", "[::1]:8080", "mirror.example.com", "MIRROR.example.com.:443")
    others = (
        "rebound.example.net", "192.168.1.5", "[fe80::1]", "", "mirror.example.com@evil.example", "<script>",
        "localhost.evil.example", "[::1", "[::1].evil.example", "mirror.example.com:80:evil.example/",
    )  # fmt: skip

    answers = {host: await site.get("/", headers={"Host": host}) for host in (*ours, *others)}

    assert {host: answer.status for host, answer in answers.items()} == dict.fromkeys(ours, 200) | dict.fromkeys(
        others, 421
    )
    assert "<script>" not in answers["<script>"].text
    for host in others:
        assert (await site.get("/healthz", headers={"Host": host})).status == 200, "probes come by address"


async def test_unknown_hosts_do_not_fill_the_log(
    site: Site, monkeypatch: pytest.MonkeyPatch, read_log: ReadLog
) -> None:
    monkeypatch.setattr(gate, "_MOST_UNKNOWN_HOSTS", 2)
    for name in ("a.example", "a.example", "b.example", "c.example"):
        await site.get("/", headers={"Host": name})

    assert [line["event"] for line in read_log()].count("web_host_unknown") == 2


async def test_on_all_addresses_every_address_is_ours_and_no_name(start_site: StartSite) -> None:
    site = await start_site(FERRYMAN_LISTEN=":0", FERRYMAN_READ_TOKEN="public")
    port = site.host.rpartition(":")[2]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        for host, status in (("192.168.1.5:8080", 200), ("[fe80::1]", 200), ("rebound.example.net", 421)):
            async with http.get("/", headers={**HTML, "Host": host}) as answer:
                assert answer.status == status


async def test_below_a_base_path_all_addresses_begin_with_it(start_site: StartSite) -> None:
    site = await start_site(**TOKENS, FERRYMAN_BASE_PATH="/ferryman")

    assert (await site.get("/ferryman/")).location == "/ferryman/login?next=/ferryman/"
    page = (await site.get("/ferryman/login")).text
    links = re.findall(r'(?:href|src|action)="([^"#]+)"', page)
    assert links
    assert [link for link in links if not link.startswith(("/ferryman/", "?"))] == []
    assert (await site.get("/login")).status == 200, "for proxies that take it off, and for probes"


async def test_forwarded_headers_count_from_trusted_proxies_only(start_site: StartSite) -> None:
    site = await start_site(**TOKENS, **PROXY)
    near = {"X-Forwarded-Host": "mirror.example.com"}

    for number in range(5):
        forged = {"X-Forwarded-For": f"10.9.9.{number}, 203.0.113.7"}
        assert (await site.get("/", headers={**near, **forged, **bearer("wrong")})).status == 401
    behind = {**near, **bearer(TOKEN)}
    assert (await site.get("/", headers={**behind, "X-Forwarded-For": "203.0.113.7"})).status == 429
    assert (await site.get("/", headers={**behind, "X-Forwarded-For": "203.0.113.7:4711"})).status == 429
    assert (await site.get("/", headers={**behind, "X-Forwarded-For": "203.0.113.8"})).status == 200
    assert (await site.get("/", headers={**behind, "X-Forwarded-For": "[2001:db8::1]:4711"})).status == 200
    assert (await site.get("/", headers={"X-Forwarded-Host": "evil.example"})).status == 421


async def test_nobody_elses_forwarded_headers_count(start_site: StartSite) -> None:
    site = await start_site(**TOKENS, FERRYMAN_HOSTS="mirror.example.com")
    forged = {"X-Forwarded-Host": "mirror.example.com", "X-Forwarded-Proto": "https"}
    for number in range(5):
        headers = {**forged, **bearer("wrong"), "X-Forwarded-For": f"203.0.113.{number}"}
        assert (await site.get("/", headers=headers)).status == 401

    assert (await site.get("/", headers={**bearer(TOKEN), "X-Forwarded-For": "203.0.113.9"})).status == 429


# Defects


async def test_a_defect_is_logged_and_not_shown(
    start_site: StartSite, monkeypatch: pytest.MonkeyPatch, read_log: ReadLog
) -> None:
    site = await start_site()

    async def broken(*_: object) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(type(site.app.record.samples), "since", broken)
    page, document = await site.get("/waiting"), await site.get("/waiting", headers={"Accept": "application/json"})

    assert (page.status, document.status) == (500, 500)
    assert "Traceback" not in page.text + document.text
    assert "hunter2" not in page.text + document.text
    assert "web_defect" in [line["event"] for line in read_log()]


async def test_no_token_is_in_any_answer_or_log(start_site: StartSite, read_log: ReadLog) -> None:
    site = await start_site(**TOKENS)
    answers = [await site.log_in(TOKEN), await site.get("/"), await site.get("/", headers=bearer(f"{TOKEN}x"))]

    lines = read_log()
    assert lines
    told = "".join(answer.text + str(answer.headers) for answer in answers) + str(lines)
    assert TOKEN not in told
    assert READ_TOKEN not in told
    assert TOKEN not in repr(site.app.settings)
