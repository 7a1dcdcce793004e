"""Every page and every resource of the API: one module each, and a line here."""

from ferryman.web import assets
from ferryman.web.api import calls
from ferryman.web.pages import actions, activity, failures, health, item, login, metrics, overview, prune, tag, waiting

ROUTES = (
    *assets.ROUTES,
    *actions.ROUTES,
    *activity.ROUTES,
    *failures.ROUTES,
    *health.ROUTES,
    *login.ROUTES,
    *metrics.ROUTES,
    *overview.ROUTES,
    *waiting.ROUTES,
    *prune.ROUTES,
    *tag.ROUTES,
    *item.ROUTES,  # after those of tags: its addresses may hold anything
    *calls.ROUTES,
)
