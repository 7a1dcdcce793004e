"""The pages in the head of every page, and the names of statuses."""

from ferryman.i18n.texts import N_, _

# Those that have a route are shown.
PAGES = (
    ("/", N_("Overview")),
    ("/failures", N_("Failures")),
    ("/waiting", N_("Waiting")),
    ("/activity", N_("Activity")),
)
_STATUSES = {
    "synced": N_("synced"),
    "queued": N_("queued"),
    "running": N_("running"),
    "failed": N_("failed"),
    "skipped": N_("skipped"),
    "held": N_("held"),
    "paused": N_("paused"),
    "alive": N_("alive"),
    "silent": N_("silent"),
    "lost": N_("lost"),
    "handed-back": N_("handed back"),
}


def status_name(status: str) -> str:
    """A status in the reader's language; an unknown one is shown as it is."""
    return _(_STATUSES.get(status, status))
