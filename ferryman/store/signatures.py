"""Who has signed what upstream's tags named, as verified before it was copied: a row of each tag and digest."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from ferryman.clock import Clock
from ferryman.errors import SignatureRefused
from ferryman.signature_findings import Finding, Signer
from ferryman.store.database.database import Database, Transaction
from ferryman.store.database.tables import signatures, status_is, tags

_MOST = 500  # digests of one tag: the newest


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """A finding, and when it was found."""

    finding: Finding
    checked_at: datetime


class SignatureLog:
    """The findings of all processes on the same database. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def record(self, tag_id: int, finding: Finding) -> None:
        """Record what was found for a tag; the finding replaces an earlier one for the same digest."""
        found = {
            "verdict": finding.verdict, "signers": [_plain(each) for each in finding.signers],
            "detail": finding.detail, "checked_at": self._clock.now(),
        }  # fmt: skip
        async with self._database.write() as connection:
            statement = connection.insert(signatures).values(tag_id=tag_id, digest=finding.digest, **found)
            await connection.execute(statement.on_conflict_do_update(index_elements=["tag_id", "digest"], set_=found))

    async def refused(self, target: str) -> dict[str, SignatureCheck]:
        """The last findings for the item's tags that are not copied because of them, by tag."""
        query = (
            select(tags.c.tag, *_COLUMNS)
            .join(tags, tags.c.id == signatures.c.tag_id)
            .where(
                tags.c.target == target,
                status_is("failed"),
                tags.c.error_kind == SignatureRefused.kind,
                signatures.c.digest == tags.c.source_digest,
            )
        )
        async with self._database.read() as connection:
            return {tag: _check(row) for tag, *row in await connection.execute(query)}

    async def of_tag(self, tag_id: int) -> tuple[SignatureCheck, ...]:
        """What was found for the digests of one tag, the oldest first."""
        async with self._database.read() as connection:
            return await read_signature_checks(connection, tag_id)

    async def of_copies(self, targets: Collection[str]) -> dict[int, Finding]:
        """What was found for the digests of which these items' targets have copies, by the ids of their tags."""
        query = (
            select(signatures.c.tag_id, *_COLUMNS)
            .join(tags, tags.c.id == signatures.c.tag_id)
            .where(tags.c.target.in_(targets), signatures.c.digest == tags.c.mirrored_digest)
        )
        async with self._database.read() as connection:
            return {key: _check(row).finding for key, *row in await connection.execute(query)}


async def read_signature_checks(connection: Transaction, tag_id: int) -> tuple[SignatureCheck, ...]:
    """What was found for the digests of one tag, the oldest first."""
    query = select(*_COLUMNS).where(signatures.c.tag_id == tag_id)
    rows = (await connection.execute(query.order_by(signatures.c.checked_at.desc()).limit(_MOST))).all()
    return tuple(_check(row) for row in reversed(rows))


_COLUMNS = (
    signatures.c.verdict, signatures.c.digest, signatures.c.signers, signatures.c.detail, signatures.c.checked_at,
)  # fmt: skip


def _check(row: Sequence[Any]) -> SignatureCheck:
    verdict, digest, signers, detail, checked_at = row
    return SignatureCheck(Finding(verdict, digest, tuple(map(_signer, signers)), detail), checked_at)


def _plain(signer: Signer) -> dict[str, Any]:
    return {**asdict(signer), "signed_at": signer.signed_at.isoformat() if signer.signed_at else None}


def _signer(plain: dict[str, Any]) -> Signer:
    moment = plain["signed_at"]
    return Signer(plain["name"], plain["means"], plain["form"], datetime.fromisoformat(moment) if moment else None)
