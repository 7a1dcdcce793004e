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
    "frozen": N_("frozen"),
    "alive": N_("alive"),
    "silent": N_("silent"),
    "lost": N_("lost"),
    "handed-back": N_("handed back"),
    "cancelled": N_("cancelled"),
    # Of registries:
    "fine": N_("fine"),
    "limited": N_("limits requests"),
    "refused": N_("refuses the login"),
    "unreachable": N_("unreachable"),
}
_DOINGS = {"": N_("starting"), "pull": N_("pulling"), "push": N_("pushing"), "copy": N_("copying")}


def status_name(status: str) -> str:
    """A status in the reader's language; an unknown one is shown as it is."""
    return _(_STATUSES.get(status, status))


def doing_name(doing: str) -> str:
    """What a running copy does, as a transport names it, in the reader's language."""
    return _(_DOINGS.get(doing, doing))
