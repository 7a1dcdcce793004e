"""The verdict as the page shows it: its sentence, its tone, and what else there is to know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ferryman.i18n.texts import current
from ferryman.operations.signals import State
from ferryman.operations.verdict import Verdict
from ferryman.views.verdict_sentences import in_words

Tone = Literal["bad", "warn", "busy", "good", "idle"]
_TONES: Mapping[State, Tone] = {
    "ill": "bad", "incomplete": "bad", "paused": "warn", "working": "busy", "complete": "good", "empty": "idle",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class VerdictLines:
    """The worst signal, and the others."""

    tone: Tone
    headline: str
    others: Sequence[tuple[Tone, str]]
    troubles: int  # that ask for a person


def lines(verdict: Verdict) -> VerdictLines:
    """The verdict in the current language."""
    texts = current().texts
    worst, *others = ((_TONES[each.state], _sentence(in_words(each, texts))) for each in verdict.signals)
    return VerdictLines(worst[0], worst[1], others, len(verdict.troubles))


def _sentence(text: str) -> str:
    """With a capital letter, unless it begins with a name: of a registry, of an item."""
    word = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if word in _FIRST_WORDS else text


_FIRST_WORDS = frozenset({"the", "no", "nothing", "everything", "somebody", "upstream", "upstream's"})
