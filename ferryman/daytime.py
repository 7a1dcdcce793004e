"""Parts of the day, as they are written in items.yml: `22:00-08:00`, in local time (TZ in the environment)."""

import re
from dataclasses import dataclass
from datetime import datetime

DAY = 24 * 60  # minutes
_SPAN = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})")
_MINUTES = 60  # of an hour


@dataclass(frozen=True, slots=True)
class PartOfDay:
    """A part of the day, in minutes from midnight; the end is exclusive, and may be before the beginning."""

    begins: int
    ends: int

    @classmethod
    def parse(cls, text: str) -> "PartOfDay | None":
        """Parse `22:00-08:00`; None: it is no part of a day."""
        found = _SPAN.fullmatch(text)
        begins, ends = (_minute(*found.group(1, 2)), _minute(*found.group(3, 4))) if found else (DAY, DAY)
        return None if begins == ends or begins >= DAY or ends > DAY else cls(begins, ends)

    def minutes_left(self, moment: datetime) -> int:
        """Minutes from `moment` (aware) until the end of this part; 0: the moment is outside of it."""
        minute = minute_of_day(moment)
        since = (minute - self.begins) % DAY
        length = (self.ends - self.begins) % DAY or DAY
        return max(length - since, 0)


def minute_of_day(moment: datetime) -> int:
    """The minute of the local day in which `moment` (aware) is."""
    local = moment.astimezone()
    return local.hour * _MINUTES + local.minute


def _minute(hour: str, minute: str) -> int:
    """The minute of the day; beyond the day for invalid minutes."""
    return int(hour) * _MINUTES + int(minute) if int(minute) < _MINUTES else DAY + 1
