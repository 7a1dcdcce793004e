"""What a page or a resource of the API says about each of its addresses."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Needs = Literal["nothing", "read", "act"]

BASE_PATH = web.AppKey("base_path", str)
ROUTES = web.AppKey("routes", dict[object, "Route"])  # by handler
PATHS = web.AppKey("paths", frozenset[str])  # of all routes, as they write them


@dataclass(frozen=True, slots=True)
class Route:
    """One address: what answers there, and who may ask."""

    method: Literal["GET", "POST", "PUT", "DELETE"]  # GET answers HEAD as well
    path: str  # below FERRYMAN_BASE_PATH; may have {parameters}, as aiohttp writes them
    handler: Handler
    needs: Needs
    in_worker: bool = False  # a process of the role `worker` answers it as well
    any_host: bool = False  # whatever its Host header says: probes come by address
    endless: bool = False  # an event stream: no timeout


def route_of(request: web.Request) -> Route | None:
    """The route that the request has met; None: there is none, or not for this method."""
    return request.app[ROUTES].get(request.match_info.handler)


def url(request: web.Request, path: str) -> str:
    """The address of a path of ours, as a browser must ask for it: below FERRYMAN_BASE_PATH."""
    return f"{request.app[BASE_PATH]}{path}"


def redirect(target: str) -> web.Response:
    """Go there next, by GET."""
    return web.Response(status=303, headers={"Location": target})


def own_path(target: str) -> str:
    """A path to go on to, if it is one of this server's: anything else could lead to a stranger's page. Else empty."""
    is_ours = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_ours else ""
