"""Descriptions of reason codes, and shortened names, for people."""

from collections.abc import Iterable

from rich.cells import cell_len, get_character_cell_size

from ferryman.kinds import ProbeReason
from ferryman.wording import N_

_ELLIPSIS = "…"
# The planner's reasons, and the kinds of errors for which a tag is skipped or waits.
_REASONS = {
    "new": N_("new"),
    "referrers": N_("upstream has other signatures, or their like, of it now"),
    "changed": N_("changed upstream"),
    "retry": N_("failed before"),
    "queued": N_("waits for its turn"),
    "quarantine": N_("in quarantine: `min_age` has not passed since upstream has this digest"),
    "paused": N_("waits for the end of a pause"),
    "frozen": N_("frozen: upstream has collapsed, and nobody has accepted that"),
    "up-to-date": N_("the target has it"),
    "held-changed": N_("upstream has changed it: held until a person releases or keeps it"),
    "kept": N_("upstream has changed it, and a person keeps what was mirrored"),
    "rolled-back": N_("a person has put it back, and has not released it"),
    "leaving": N_("is being removed from the target"),
    "released": N_("a person has released it"),
    "excluded": N_("a pattern of `exclude` leaves it out"),
    "not-included": N_("no pattern of `include` matches"),
    "signature": N_("a signature, an attestation or a list of referrers"),
    "rebuilt": N_("refers to an index of which only some platforms are copied"),
    "windows": N_("for Windows only"),
    "platform": N_("for none of the wanted platforms"),
    "beyond-limit": N_("not among the newest that `limit` allows"),
    "gone": N_("upstream has deleted it"),
    "foreign": N_("not put there by Ferryman, and not known upstream"),
    "unreadable": N_("upstream lists it, and it cannot be read"),
    "no-digest": N_("upstream gave no digest for the tag"),
    "target-missing": N_("the target lost it"),
    "target-differs": N_("somebody else has overwritten it at the target"),
    "target-incomplete": N_("the target lost a part of it"),
    "unreachable": N_("waits for a registry that could not be reached"),
    "tls": N_("TLS with the registry failed"),
    "rate-limited": N_("waits for the registry's limit on requests"),
    "engine": N_("waits for the Docker Engine"),
    "disk-full": N_("waits for free space on the Docker Engine's disk"),
    "wrong-content": N_("the content does not match its digest, length or platform"),
    "login": N_("waits until its registry accepts the login"),
    "login-unsteady": N_("the registry refused a login that it accepts at other times"),
    "denied": N_("not allowed by the registry"),
    "not-found": N_("the registry does not have it"),
    "unsupported": N_("cannot be copied this way"),
    "signature-refused": N_("refused: signature"),
    "cancelled": N_("a person has cancelled its copy"),
}

_PROBES: dict[ProbeReason, str] = {
    "always": N_("in every cycle, as `probe` says"),
    "unknown": N_("in the next cycle: its digest is not known for certain"),
    "waiting": N_("in every cycle until it is copied"),
    "moved": N_("in every cycle: it moved within 30 days"),
    "floating": N_("in every cycle: such a name moves"),
    "young": N_("in every cycle until it has not moved for 30 days"),
    "build": N_("once a day: it names one build"),
    "still": N_("once a day: it has not moved for 30 days"),
    "immutable": N_("once a week: `immutable` names it"),
}


def probe_in_words(reason: ProbeReason) -> str:
    """How often upstream is asked for the tag's digest, and why."""
    return _PROBES[reason]


def reason_in_words(code: str) -> str:
    """The description of a reason; an unknown code is shown as it is."""
    return _REASONS.get(code, code.replace("-", " "))


def shortened(text: str, width: int) -> str:
    """`text` in at most `width` columns. A longer text loses its middle, because names differ at their ends."""
    if cell_len(text) <= width:
        return text
    room = max(width - 1, 0)
    head, tail = _beginning(text, room - room // 2), _beginning(reversed(text), room // 2)
    return f"{head}{_ELLIPSIS}{tail[::-1]}" if width > 0 else ""


def _beginning(characters: Iterable[str], width: int) -> str:
    taken, used = "", 0
    for character in characters:
        used += get_character_cell_size(character)
        if used > width:
            break
        taken += character
    return taken
