"""Tell that the state database fails: from memory, because nothing can be recorded. So each process tells it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ferryman import log
from ferryman.clock import Clock
from ferryman.notify.recipients import NamedRecipient
from ferryman.notify.sending import Send
from ferryman.notify.texts import database_message

_PATIENCE = timedelta(minutes=2)  # a server that restarts is no news
_AGAIN = timedelta(days=1)


class DatabaseAlarm:
    """What this process knows of the database's failure, and whom it has told."""

    def __init__(self, *, send: Send, page: str | None, clock: Clock) -> None:
        self._send = send
        self._page = page
        self._clock = clock
        self._since: datetime | None = None
        self._told: dict[str, datetime] = {}  # by recipient

    async def fails(self, told: Sequence[NamedRecipient], error: str) -> None:
        """The database fails: tell who wants to know, once it has lasted."""
        now = self._clock.now()
        self._since = self._since or now
        if now - self._since < _PATIENCE:
            return
        for each in told:
            last, quiet = self._told.get(each.key), each.recipient.quiet
            is_due = last is None or now - last >= _AGAIN
            if is_due and "disk" in each.recipient.events and not (quiet and quiet.minutes_left(now)):
                await self._tell(each, error)

    async def works(self, told: Sequence[NamedRecipient]) -> None:
        """The database works: tell who was told that it does not."""
        self._since = None
        by_key = {each.key: each for each in told}
        for key in list(self._told):
            if (each := by_key.get(key)) is not None and "recovered" in each.recipient.events:
                await self._tell(each, None)
            self._told.pop(key, None)

    async def _tell(self, told: NamedRecipient, error: str | None) -> None:
        text = database_message(told.recipient.language, error, page=self._page)
        failure = await self._send(told.recipient.url, text)
        if failure is None:
            self._told[told.key] = self._clock.now()
            log.get().info("message_sent", message="message sent", to=told.name, notices=1)
        else:
            log.get().warning(
                "message_not_delivered", message="a message was not delivered; trying again",
                to=told.name, error=failure,
            )  # fmt: skip
