"""Templates, filled in with what a page shows, in the reader's language. Everything is escaped."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web
from markupsafe import Markup
from yarl import URL

from ferryman import __version__
from ferryman.i18n import formats
from ferryman.i18n.languages import languages
from ferryman.i18n.texts import _, current, ngettext
from ferryman.page_links import cause_id, item_path, registry_id, tag_path
from ferryman.store.queue.lease_owners import host_of
from ferryman.web.assets import assets
from ferryman.web.context import CONTEXT
from ferryman.web.navigation import PAGES, doing_name, status_name
from ferryman.web.routing import BASE_PATH, PATHS
from ferryman.web.security.forms import FIELD
from ferryman.web.security.gate import GATE, actor
from ferryman.web.security.headers import NONCE
from ferryman.web.strips import strip_cells
from ferryman.web.tables import Column
from ferryman.web.visible import Exact, finalize

_TEMPLATES = Path(__file__).parent / "templates"


def render(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """The page that the template makes of the values."""
    text = _environment().get_template(template).render(values, **_of_request(request))
    response = web.Response(text=text, status=status, content_type="text/html")
    response.headers["Vary"] = "Accept-Language, Cookie"
    request.app[GATE].keep_visitor(request, response)
    request.app[GATE].drop_notice(request, response)
    return response


def fragment(site: web.Application, template: str, *, address: str = "/", **values: Any) -> str:
    """A part of a page that is the same for all its readers. `address`: of the page, with its query.

    It does not know who reads it: its forms have no token, and the browser takes that of the page (swap.mjs).
    """
    known = {**_of_site(site), **_of_address(site, address), "form_field": FIELD, "form_token": lambda: ""}
    return _environment().get_template(template).render(values, **known)


def compile_templates() -> None:
    """Compile all of them, a third of a second of CPU: otherwise the first reader of each page would wait for it."""
    environment = _environment()
    for name in environment.list_templates():
        environment.get_template(name)


def _of_site(site: web.Application) -> dict[str, object]:
    base = site[BASE_PATH]
    return {"url": lambda path: f"{base}{path}", "now": site[CONTEXT].clock.now()}


def _of_address(site: web.Application, address: str) -> dict[str, object]:
    """What links and forms need that lead back to a page. `address`: below FERRYMAN_BASE_PATH."""
    query = URL(address, encoded=True).query
    return {"here": f"{site[BASE_PATH]}{address}", "with_query": lambda **changes: _with_query(query, changes)}


def _of_request(request: web.Request) -> dict[str, object]:
    """What base.html and the macros need of the request."""
    gate = request.app[GATE]
    path = request.path.removeprefix(request.app[BASE_PATH])
    return {
        **_of_site(request.app),
        **_of_address(request.app, _raw(request)),
        "query": f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else "",
        "is_here": lambda page: path.rstrip("/") == page.rstrip("/"),
        "is_below": lambda page: page != "/" and path.startswith(f"{page}/"),
        "navigation": lambda: [(page, _(name)) for page, name in PAGES if page in request.app[PATHS]],
        "actor": actor(request),
        "has_login": gate.access.closed,
        "notice": gate.notice(request),
        "form_field": FIELD,
        "form_token": lambda: gate.form_token(request),
        "nonce": request[NONCE],
    }


def _raw(request: web.Request) -> str:
    """The path below FERRYMAN_BASE_PATH and the query, as they came."""
    path = request.rel_url.raw_path.removeprefix(request.app[BASE_PATH])
    query = request.rel_url.raw_query_string
    return f"{path}?{query}" if query else path


def _with_query(query: Mapping[str, str], changes: Mapping[str, object]) -> str:
    """A link to a page with this query, with other parameters; None takes one away."""
    kept = {name: value for name, value in query.items() if name not in changes}
    changed = {name: str(value) for name, value in changes.items() if value is not None}
    return f"?{URL.build(query=kept | changed).raw_query_string}"


def _text(message: str, **values: object) -> Markup:
    """`_("… %(name)s", name=…)` in a template: the text is ours, the values may be strangers'."""
    return _filled(_(message), values)


def _counted(singular: str, plural: str, num: int, **values: object) -> Markup:
    """`ngettext("%(num)s tag", "%(num)s tags", n)` in a template."""
    return _filled(ngettext(singular, plural, num), {"num": num, **values})


def _filled(text: str, values: Mapping[str, object]) -> Markup:
    return Markup(text) % {name: finalize(value) for name, value in values.items()}  # noqa: S704 - values are escaped


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=finalize,
    )
    environment.filters["exact"] = Exact
    environment.globals |= {
        "_": _text,
        "ngettext": _counted,
        "asset": lambda url, name: url(assets()[name].path),
        "column": Column,
        "status_name": status_name,
        "strip_cells": strip_cells,
        "item_path": item_path,
        "tag_path": tag_path,
        "cause_id": cause_id,
        "registry_id": registry_id,
        "language": current,
        "languages": languages,
        "number": formats.number,
        "percent": formats.percent,
        "size": formats.size,
        "moment": formats.moment,
        "relative": formats.relative,
        "duration": formats.duration,
        "seconds": formats.seconds,
        "doing_name": doing_name,
        "host_of": host_of,
        "version": __version__,
    }
    return environment
