"""Write the audit log: what persons did. A line is written in the transaction of the action, so both are there or none.

It is read by `store/actions.py`.
"""

from datetime import datetime

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import actions
from ferryman.store.records import Intent


async def note_action(connection: Transaction, intent: Intent | None, now: datetime, number: int | None = None) -> None:
    """Record an action and the number of tags that it changed. Without an `intent` no person has asked for it."""
    if intent is None:
        return
    await connection.execute(
        actions.insert(),
        {
            "at": now,
            "actor": intent.actor,
            "action": intent.action,
            "subject": intent.subject,
            "number": number,
            "detail": intent.detail,
        },
    )
