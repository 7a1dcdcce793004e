"""The reader's language: chosen by the switch (`?lang=zh`, kept in a cookie), else by Accept-Language."""

from aiohttp import web

from ferryman.i18n.languages import Language, languages, negotiate
from ferryman.i18n.texts import using
from ferryman.web.routing import BASE_PATH, Handler, redirect

_COOKIE = "ferryman_language"
_PARAMETER = "lang"
_A_YEAR = 365 * 24 * 3600  # seconds


@web.middleware
async def speak(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer in the reader's language."""
    chosen = languages().get(request.query.get(_PARAMETER, ""))
    if chosen is not None and request.method == "GET":
        return _switch(request, chosen)
    with using(_language_of(request)):
        return await handler(request)


def _language_of(request: web.Request) -> Language:
    kept = languages().get(request.cookies.get(_COOKIE, ""))
    return kept or negotiate(request.headers.get("Accept-Language", ""))


def _switch(request: web.Request, language: Language) -> web.Response:
    """Keep the choice, and go on to the same page without the parameter."""
    rest = request.rel_url.without_query_params(_PARAMETER)
    response = redirect(f"/{rest.raw_path_qs.lstrip('/')}")  # `//host/` would be another server
    response.set_cookie(
        _COOKIE, language.code, max_age=_A_YEAR, path=request.app[BASE_PATH] or "/", httponly=True, samesite="Lax"
    )
    return response
