"""What a reader or a program gets in place of an answer: a page, or a problem document (RFC 9457)."""

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web
from yarl import URL

from ferryman.errors import StoreError
from ferryman.i18n.texts import N_, _
from ferryman.web.context import context
from ferryman.web.failure_log import log_defect, log_store_failure
from ferryman.web.item_addresses import Unknown
from ferryman.web.refusals import Refused
from ferryman.web.rendering import render
from ferryman.web.routing import BASE_PATH, Handler, redirect, route_of, url
from ferryman.web.security.gate import LoginNeeded

_LONGEST_HANDLER = 30.0  # seconds, the request's body included
_LONGEST_INSTANCE = 1000  # characters
_LONGEST_LOGGED = 200  # characters of what a stranger sent
_DETAILS = {
    400: N_("The request is broken."),
    404: N_("There is nothing here. It may have been removed from items.yml, or the address is mistyped."),
    405: N_("This cannot be done here."),
    413: N_("The request is too large."),
}
_TITLES = {
    400: N_("Broken request"),
    401: N_("Login needed"),
    403: N_("Not allowed"),
    404: N_("Not found"),
    405: N_("Not possible here"),
    413: N_("Too large"),
    421: N_("Another host"),
    429: N_("Too many tries"),
    500: N_("Defect"),
    503: N_("Not available now"),
}
_SOON = {"Retry-After": "10"}  # seconds
_UNKNOWN = N_("The request was refused.")


@web.middleware
async def tell_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error; a defect is logged, and never shown."""
    try:
        return await _within_time(request, handler)
    except (web.HTTPRedirection, ConnectionResetError):  # not an error; or the reader has gone
        raise
    except (LoginNeeded, Refused, web.HTTPException) as error:
        return _refuse(request, error)
    except TimeoutError:
        return _answer(request, 503, _("That took too long. Try again."), _SOON)
    except StoreError as error:
        log_store_failure(error)
        return _answer(request, 503, _("The state database cannot be used now. See the log."), _SOON)
    except Exception as error:  # noqa: BLE001 - whatever it is, the reader gets a page and the log the rest
        log_defect(request.path[:_LONGEST_LOGGED], error)
        return _answer(request, 500, _("This is a defect in Ferryman. The log has the details."))


def _refuse(request: web.Request, error: LoginNeeded | Refused | web.HTTPException) -> web.StreamResponse:
    if isinstance(error, LoginNeeded):
        return _ask_for_login(request)
    if isinstance(error, Unknown) and not _wants_json(request):
        title, near = _(_TITLES[404]), error.suggestions
        return render(request, "error.html", status=404, code=404, title=title, detail=error.detail, near=near)
    if isinstance(error, Refused):
        return _answer(request, error.status, error.detail, error.headers, error.members)
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return _answer(request, error.status, _(_DETAILS.get(error.status, _UNKNOWN)), headers)


async def _within_time(request: web.Request, handler: Handler) -> web.StreamResponse:
    route = route_of(request)
    if route is not None and route.endless:
        return await handler(request)
    async with asyncio.timeout(_LONGEST_HANDLER):
        return await handler(request)


def _ask_for_login(request: web.Request) -> web.StreamResponse:
    if _wants_json(request):
        return _answer(request, 401, _("This needs a token."), {"WWW-Authenticate": "Bearer"})
    login = URL(url(request, "/login"))
    if request.method == "GET":
        login = login.with_query(next=request.path_qs)
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        # A link from elsewhere, such as one in a message, comes without the session's SameSite=Strict cookie: a second
        # step, from a page of ours, brings it.
        return render(request, "follow.html", target=str(login))
    return redirect(str(login))


def _answer(
    request: web.Request,
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, object] | None = None,
) -> web.Response:
    if _wants_json(request):
        problem = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            "instance": request.path[:_LONGEST_INSTANCE],
            **(members or {}),
        }
        text = json.dumps(problem)  # in ASCII: a path of broken UTF-8 cannot be encoded otherwise
        return web.Response(text=text, status=status, content_type="application/problem+json", headers=headers)
    title = _(_TITLES.get(status, HTTPStatus(status).phrase))
    response = render(request, "error.html", status=status, code=status, title=title, detail=detail)
    response.headers.update(headers or {})
    return response


def _wants_json(request: web.Request) -> bool:
    if context(request).role == "worker":  # it has no pages
        return True
    path = request.path.removeprefix(request.app[BASE_PATH])
    return path.startswith("/api/") or "text/html" not in request.headers.get("Accept", "")
