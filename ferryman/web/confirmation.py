"""Asking before something is done: the dialog of confirm.mjs does, or, without scripts, a page of its own."""

from aiohttp import web

from ferryman.web.rendering import render
from ferryman.web.security.forms import FIELD

_CONFIRMED = "confirmed"


async def is_confirmed(request: web.Request) -> bool:
    """Whether the person who sent the form has been asked."""
    return (await request.post()).get(_CONFIRMED) == "yes"


async def ask(request: web.Request, *, question: str, verb: str, back: str) -> web.Response:
    """The page that asks, and sends the same form again. `verb`: what its button says; `back`: where No leads."""
    fields = {name: str(value) for name, value in (await request.post()).items() if name != FIELD}
    return render(request, "confirm.html", question=question, verb=verb, back=back, fields=fields, confirmed=_CONFIRMED)
