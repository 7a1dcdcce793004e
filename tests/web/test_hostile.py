"""What strangers write does no harm, wherever it is shown: pages, live parts, JSON, metrics, messages, the log."""

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ferryman import log
from ferryman.kinds import LanguageCode
from ferryman.log import Format
from ferryman.notify.texts import message
from ferryman.web import live, streams
from ferryman.web.routes import ROUTES
from ferryman.web.routing import Route
from tests.notify.test_texts import missing, told
from tests.web.conftest import StartSite
from tests.web.hostile import HOSTILE, ITEMS, NAME, ODD, TARGET, fill
from tests.web.support import TOKEN, Answer, Site
from tests.web.test_streams import event

_ATTRIBUTES = {"src", "href", "action", "formaction"}
_KEPT_ALIVE = ""  # the name of a comment in an event stream


class _Inspector(HTMLParser):
    """Finds what a page must not have: handlers, styles, strange elements, links that lead elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.harm: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        if tag in {"img", "style", "iframe", "object", "base"} or (tag == "script" and not values.get("nonce")):
            self.harm.append(f"<{tag}>")
        self.harm += [f"{tag} {name}" for name in values if name.startswith("on") or name in {"style", "srcdoc"}]
        links = [values[name] or "" for name in _ATTRIBUTES & set(values)]
        self.harm += [link for link in links if link and not is_own(link)]
        shown = {name: value for name, value in attributes if name != "data-copy"}
        if tag == "option" or values.get("type") == "hidden":  # it is sent back as it came, and nobody sees it
            shown.pop("value", None)
        self.text += " ".join(filter(None, shown.values()))

    def handle_data(self, data: str) -> None:
        self.text += data


def is_own(link: str) -> bool:
    """Whether it leads to this server."""
    return link.startswith(("/", "?", "#")) and not link.startswith("//")


def inspect(html: str) -> str:
    """Require HTML that does no harm. Returns its text."""
    inspector = _Inspector()
    inspector.feed(html)
    assert inspector.harm == []
    assert [each for each in ODD if each in inspector.text] == []
    return inspector.text


def paths(routes: tuple[Route, ...], item: str, tag: str) -> Iterator[str]:
    """The address of every page or resource that can be read, about this item and tag."""
    for route in routes:
        if route.method == "GET" and not route.endless and not route.path.startswith("/assets"):
            path = route.path
            for name in ("{item:.+}", "{name}"):
                path = path.replace(name, quote(item, safe=""))
            yield path.replace("{tag}", quote(tag, safe="")).replace("{host}", quote("127.0.0.1:9", safe=""))


PAGES = tuple(each for each in ROUTES if not each.path.startswith(("/api/", "/metrics", "/healthz", "/readyz")))
RESOURCES = tuple(each for each in ROUTES if each.path.startswith(("/api/", "/readyz")))


@pytest.fixture
async def site(start_site: StartSite) -> Site:
    """Somebody is logged in who may act, so that there are forms, too."""
    site = await start_site(FERRYMAN_TOKEN=TOKEN, items=ITEMS)
    await fill(site.app)
    await site.log_in(TOKEN)
    return site


def check_headers(answer: Answer) -> None:
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "harm" not in str(answer.headers)


async def test_pages(site: Site) -> None:
    shown = ""
    for language in ("en", "zh"):
        for path in paths(PAGES, TARGET, f"{NAME}1"):
            for query in ("", f"?item={quote(NAME)}&text={quote(HOSTILE)}&kind={quote(NAME)}&state=x&status=failed"):
                answer = await site.get(f"{path}{query}", headers={"Accept-Language": language})
                assert answer.status < 500, path
                check_headers(answer)
                shown += inspect(answer.text)
    assert "<script>window.harmed=1</script>" in shown  # as text
    assert "⟨U+202E⟩kcolb" in shown
    assert "{{7*7}}" in shown


async def test_live_parts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_TICK", 0.01)
    monkeypatch.setattr(streams, "_KEEP_ALIVE", 1.0)
    for route in ROUTES:
        if route.endless and not route.path.startswith("/api/"):
            async with site.http.get(route.path) as response:
                parts, quiet = 0, False
                while not (parts and quiet):  # on a busy machine the first part comes after the first comment
                    fields = await event(response)
                    quiet = _KEPT_ALIVE in fields
                    assert quiet or set(fields) <= {"retry", "event", "data"}
                    inspect(fields.get("data", ""))
                    parts += "data" in fields


async def test_notices_questions_and_errors(site: Site) -> None:
    shown = await site.form_token("/failures")
    names = dict.fromkeys(("item", "tag", "kind", "registry", "name", "note"), NAME)
    fields = {"form_token": shown, "scope": "item", "next": f"/failures?x={HOSTILE}", **names}
    for action in ("requeue", "look", "pause", "resume", "cancel", "release", "keep", "try-login"):
        for form in (fields, {**fields, "item": TARGET, "name": TARGET}, {**fields, "item": "", "scope": "all"}):
            answer = await site.post(f"/actions/{action}", form)
            check_headers(answer)
            inspect(answer.text)
            inspect((await site.get("/failures")).text)
    inspect((await site.get(f"/{quote(HOSTILE)}")).text)


async def test_json(site: Site) -> None:
    for path in paths(RESOURCES, TARGET, f"{NAME}1"):
        answer = await site.get(path, headers={"Accept": "application/json"})
        check_headers(answer)
        assert answer.headers["Content-Type"].partition(";")[0] in {"application/json", "application/problem+json"}, (
            path
        )
        json.loads(answer.text)  # strict: no control character stands in a string


async def test_metrics(site: Site) -> None:
    text = (await site.get("/metrics", headers={"Accept": "text/plain"})).text
    assert [each for each in ODD if each in text] == []
    families = list(text_string_to_metric_families(text))
    assert all(family.name.startswith(("ferryman_", "process_", "python_")) for family in families)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_messages(language: LanguageCode) -> None:
    facts = missing(NAME, NAME, tags=1, error=NAME, registry=NAME)
    written = message([told("incomplete", facts)], language, page=None)
    for text in (written.title, written.body):
        assert [each for each in (*ODD, "<", "`", "//") if each in text] == []


@pytest.mark.usefixtures("untouched_logging")
@pytest.mark.parametrize("form", ["text", "json"])
def test_log(form: Format, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="INFO", form=form)
    log.get().warning("tag_failed", message=HOSTILE, item=HOSTILE, tag=HOSTILE, error=HOSTILE)
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.removesuffix("\n").isprintable()
