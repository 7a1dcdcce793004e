"""A page with everything that pages are made of, for tests: it is added to a site that has not started yet."""

import asyncio
from datetime import timedelta
from typing import Any

import jinja2
import pytest
from aiohttp import web

from ferryman.i18n import formats
from ferryman.web import rendering
from ferryman.web.charts import bar_chart, line_chart
from ferryman.web.confirmation import ask, is_confirmed
from ferryman.web.context import context
from ferryman.web.live import LIVE, Part
from ferryman.web.routes import ROUTES
from ferryman.web.routing import Route, redirect
from ferryman.web.streams import STREAMS
from tests.support.upstreams import made_up_digest

# What a stranger may call a tag, or write into an error.
HOSTILE = "<script>window.harmed = 1</script>\"'onmouseover=alert(1) style=position:fixed \u202e\x1b[31m\n{{ 7*7 }}"

_TEMPLATE = """
{% extends "base.html" %}
{% block title %}{{ hostile }}{% endblock %}
{% block verdict %}<p class="verdict bad">{{ hostile }}</p>{% endblock %}
{% block content %}
<div class="between"><h1>Gallery</h1>{{ ui.live_controls(url("/gallery/live")) }}</div>
{% include "counter.html" %}
<p>
{% for each in ("synced", "queued", "running", "failed", "skipped", "held", hostile) %}{{ ui.badge(each) }} {% endfor %}
</p>
<p id="digest">{{ ui.digest(digest) }} {{ ui.digest(hostile) }} {{ ui.digest(none) }}</p>
<p>{{ ui.when(then) }} {{ ui.when(none) }} {{ ui.bytes(1536) }} {{ ui.bytes(none) }}</p>
{{ ui.command("docker pull " ~ hostile) }}
{{ ui.strip([("nothing", "-"), ("copied", hostile), ("failed", "2 failed"), ("missed", "not looked")], hostile) }}
{{ ui.progress(0.25, hostile) }}{{ ui.progress(none, "listing") }}
{{ ui.chart(line, hostile, "tags") }}{{ ui.chart(bars, "Bytes") }}
{% set columns = [column("Name", key="name"), column(hostile, key=hostile), column("N", number=true)] %}
{% call ui.table(hostile, columns, sort="-name") %}
<tr><th scope="row">{{ hostile }}</th><td>{{ hostile }}</td><td class="number">1</td></tr>
{% endcall %}
{{ ui.pager({"before": hostile}, {"after": hostile}, shown=hostile) }}
{{ ui.action(url("/gallery"), "Requeue", confirm="Requeue 3 tags of " ~ hostile ~ "?", fields={"tag": hostile}) }}
<p id="done">{{ done }}</p>
{% endblock %}
"""
_COUNTER = '<div id="counter"><b>{{ count }}</b> <span title="{{ hostile }}">{{ hostile }}</span></div>'


class Gallery:
    """The page, and what was done there."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.done: list[str] = []
        self.opened = asyncio.Event()  # an event stream
        environment = rendering._environment()
        own = jinja2.DictLoader({"gallery.html": _TEMPLATE, "counter.html": _COUNTER})
        assert environment.loader is not None
        patch.setattr(environment, "loader", jinja2.ChoiceLoader([own, environment.loader]))
        routes = (
            Route("GET", "/gallery", self._show, needs="read"),
            Route("POST", "/gallery", self._do, needs="act"),
            Route("GET", "/gallery/live", self._follow, needs="read", endless=True),
        )
        patch.setattr("ferryman.web.site.ALL_ROUTES", (*ROUTES, *routes))

    def _counter(self) -> dict[str, Any]:
        return {"count": self.count, "hostile": HOSTILE}

    async def _show(self, request: web.Request) -> web.StreamResponse:
        labels = ["09:00", HOSTILE, "11:00", "12:00"]
        return rendering.render(
            request, "gallery.html", digest=made_up_digest("a"), done=" ".join(self.done),
            then=context(request).clock.now() - timedelta(minutes=3),
            line=line_chart(labels, [1, 3, None, 2], write=formats.number),
            bars=bar_chart(labels, [0, 3, None, 2], write=formats.size), **self._counter(),
        )  # fmt: skip

    async def _do(self, request: web.Request) -> web.StreamResponse:
        if not await is_confirmed(request):
            return await ask(request, question=f"Requeue 3 tags of {HOSTILE}?", verb="Requeue", back="/gallery")
        self.done.append(str((await request.post())["tag"]))
        return redirect("/gallery")

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        self.opened.set()
        return await request.app[STREAMS].send(request, request.app[LIVE].follow(request.app, [Part(self._part)]))

    async def _part(self, site: web.Application) -> list[str]:
        return [rendering.fragment(site, "counter.html", **self._counter())]
