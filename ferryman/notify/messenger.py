"""The task that sends notifications: once a minute it looks for what needs a person, and it delivers what is due.

Everything is in the database, so that a restart tells nothing twice and loses nothing. What happens in the same minute
is one message. Only that the database fails is told from memory: see `database_alarm.py`.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from pydantic import SecretStr

from ferryman import log
from ferryman.clock import Clock
from ferryman.errors import StoreError
from ferryman.items.model import Configuration
from ferryman.notify.database_alarm import DatabaseAlarm
from ferryman.notify.decisions import decide, due, is_told
from ferryman.notify.evaluation import CHANGED, Evaluation
from ferryman.notify.recipients import NamedRecipient, recipients
from ferryman.notify.sending import LONGEST, Send
from ferryman.notify.texts import message
from ferryman.store.notices import Claimed, Delivery, Notice, Notices, Phase
from ferryman.tasks import cancel_and_wait, for_each

_INTERVAL = timedelta(minutes=1)  # between two decisions, of all processes together
_PAUSE = 15.0  # seconds between two looks at what is due
_AT_ONCE = 2  # processes that send, of 50 MB each
_LEASE = timedelta(seconds=LONGEST) * 2
_FIRST_RETRY, _LONGEST_RETRY = timedelta(minutes=1), timedelta(hours=1)
_TRIED_FOR = timedelta(days=1)
_GRACE = 2.0  # seconds in which a message that is just being sent may end, when the service stops


class Messenger:
    """Tells people what needs them. One object for the life of a process."""

    def __init__(
        self,
        *,
        notices: Notices,
        evaluation: Evaluation,
        configuration: Callable[[], Configuration],
        variable: SecretStr | None,
        page: str | None,
        send: Send,
        clock: Clock,
    ) -> None:
        self._notices = notices
        self._evaluation = evaluation
        self._configuration = configuration
        self._variable = variable  # FERRYMAN_NOTIFY
        self._page = page
        self._send = send
        self._clock = clock
        self._alarm = DatabaseAlarm(send=send, page=page, clock=clock)

    async def run(self) -> None:
        """Tell, until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(_PAUSE)

    async def look(self) -> None:
        """Decide, if it is time, and deliver what is due."""
        told = recipients(self._configuration(), self._variable)
        if not told:
            return
        try:
            if await self._notices.claim_decision(_INTERVAL):
                await self._decide(told)
            await self._alarm.works(told)
            await for_each(told, self._deliver, at_once=_AT_ONCE)
        except StoreError as error:
            await self._alarm.fails(told, str(error))

    async def _decide(self, told: Sequence[NamedRecipient]) -> None:
        configuration, now = self._configuration(), self._clock.now()
        notices = await self._notices.all()
        last = next((int(notice.facts["last"]) for notice in notices if notice.key == CHANGED), 0)
        causes = await self._evaluation.causes(configuration, last_change=last)
        subjects = {"", *configuration.hosts, *(str(item.target) for item in configuration.items)}
        decided = decide(notices, causes, subjects, now)
        telling = [
            _delivery(each, notice, phase, now)
            for notice, phase in decided.told
            for each in told
            if is_told(each.recipient, notice, phase)
        ]
        await self._notices.record(decided.changed, forgotten=decided.forgotten, telling=telling)

    async def _deliver(self, told: NamedRecipient) -> None:
        claimed = await self._notices.claim(told.key, lease=_LEASE)
        if claimed is None:
            return
        sending = asyncio.create_task(self._send_claimed(told, claimed))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            # What is half sent would be sent again after the restart.
            await asyncio.wait([sending], timeout=_GRACE)
            await cancel_and_wait([sending])
            raise

    async def _send_claimed(self, told: NamedRecipient, claimed: Claimed) -> None:
        text = message(claimed.deliveries, told.recipient.language, page=self._page)
        error = await self._send(told.recipient.url, text)
        if error is None:
            await self._notices.delivered(claimed)
            log.get().info("message_sent", message="message sent", to=told.name, notices=len(claimed.deliveries))
            return
        now = self._clock.now()
        wait = min(_FIRST_RETRY * 2.0 ** min(claimed.tries, 10), _LONGEST_RETRY)
        retry_at = now + wait if now + wait < claimed.created_at + _TRIED_FOR else None
        await self._notices.failed(claimed, error, retry_at=retry_at)
        if retry_at is None:
            log.get().error(
                "message_given_up", message="a message was not delivered for a day", to=told.name, error=error
            )
        else:
            log.get().warning(
                "message_not_delivered", message="a message was not delivered; trying again",
                to=told.name, at=retry_at.isoformat(timespec="seconds"), error=error,
            )  # fmt: skip


def _delivery(told: NamedRecipient, notice: Notice, phase: Phase, now: datetime) -> Delivery:
    # Each change upstream is news of its own: a later one must not take the place of one that waits.
    key = f"{notice.key} {notice.facts['last']}" if notice.event == "changed" else notice.key
    due_at = due(told.recipient, notice, phase, now)
    return Delivery(told.key, told.name, key, notice.event, phase, notice.since, notice.facts, due_at)
