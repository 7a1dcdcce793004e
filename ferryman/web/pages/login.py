"""Logging in with a token, and out."""

from aiohttp import web

from ferryman.i18n.texts import _
from ferryman.web.rendering import render
from ferryman.web.routing import Route, own_path, redirect, url
from ferryman.web.security.gate import GATE, actor

_LONGEST_TOKEN = 1000  # characters


async def _show(request: web.Request) -> web.StreamResponse:
    target = own_path(request.query.get("next", ""))
    if actor(request) is not None:
        return redirect(target or url(request, "/"))
    return _form(request, target)


async def _log_in(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    target = own_path(str(form.get("next", "")))
    who = request.app[GATE].try_token(request, str(form.get("token", "")).strip()[:_LONGEST_TOKEN])
    if who is None:
        return _form(request, target, problem=_("This token is wrong."), status=401)
    response = redirect(target or url(request, "/"))
    request.app[GATE].log_in(request, response, who)
    return response


async def _log_out(request: web.Request) -> web.StreamResponse:
    response = redirect(url(request, "/login"))
    request.app[GATE].log_out(request, response)
    return response


def _form(request: web.Request, target: str, *, problem: str | None = None, status: int = 200) -> web.Response:
    return render(request, "login.html", status=status, target=target, problem=problem)


ROUTES = (
    Route("GET", "/login", _show, needs="nothing"),
    Route("POST", "/login", _log_in, needs="nothing"),
    Route("POST", "/logout", _log_out, needs="nothing"),
)
