"""Why a call is refused, as problem documents (RFC 9457)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from ferryman.web.refusals import Refused


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with one parameter."""

    place: Literal["path", "query", "body"]
    name: str  # of the parameter; of the body: the key, or empty for the whole of it
    detail: str


class Invalid(Refused):
    """Parameters that no call takes so."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        sentences = "; ".join(f"{each.name or 'the body'}: {each.detail}" for each in mistakes)
        super().__init__(422, sentences, members={"errors": [asdict(each) for each in mistakes]})


class UnsupportedContent(Refused):
    """A body that is no JSON."""

    def __init__(self) -> None:
        super().__init__(415, "The body has to be JSON: Content-Type: application/json.")


class NotThere(Refused):
    """The call is about something that does not exist."""

    def __init__(self, detail: str) -> None:
        super().__init__(404, detail)


class NotNow(Refused):
    """What is asked for does not fit the present state."""

    def __init__(self, detail: str) -> None:
        super().__init__(409, detail)
