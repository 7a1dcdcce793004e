"""The database schema, the same for SQLite and PostgreSQL; `migrations/` upgrades databases to it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, get_args

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    and_,
    literal_column,
    or_,
    true,
)
from sqlalchemy.types import TypeDecorator

from ferryman.kinds import Depth
from ferryman.store.records import HELD_CHANGED, ItemKey, Status
from ferryman.versions import natural_order

VERSION = "0004"  # of the schema below: the revision of the last migration


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC. SQLite stores no time zones, so a naive time could be read back as another one: it is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        """A record has seven times: for SQLite, whose times are texts, each is read by one step instead of three."""
        return _from_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(f"{value}+00:00")


# SQLite generates ids only for a column of exactly the type INTEGER.
_Id = BigInteger().with_variant(Integer, "sqlite")

# Sorted by code points: the default collation of PostgreSQL ignores punctuation.
_CodePoints = String().with_variant(String(collation="C"), "postgresql")

# Named constraints: a batch migration on SQLite can only change constraints that have a name.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

tags = Table(
    "tags",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("item", String, nullable=False),
    Column("source", String, nullable=False),
    Column("target", String, nullable=False),
    Column("tag", String, nullable=False),
    Column("source_registry", String, nullable=False),  # the host in `source`, for pauses
    Column("target_registry", String, nullable=False),
    Column("status", String, nullable=False),
    Column("reason", String),
    Column("rank", Integer, nullable=False),
    Column(
        "withdrawn", Boolean, nullable=False
    ),  # running, but not wanted any more: after this job it leaves the queue
    Column("platforms", String),  # those that the item asks for
    Column("source_digest", String),
    Column("pushed_at", UtcDateTime),
    Column("platform_digests", JSON(none_as_null=True)),
    Column("first_seen_at", UtcDateTime),
    Column("last_seen_at", UtcDateTime),
    Column("gone_at", UtcDateTime),
    Column("mirrored_digest", String),
    Column("mirrored_platforms", String),
    Column("target_digest", String),
    Column("identical", Boolean),
    Column("synced_at", UtcDateTime),
    Column("attempts", Integer, nullable=False),
    Column("run_at", UtcDateTime),
    Column("error", String),
    Column("error_kind", String),
    Column("lease_token", String),
    Column("lease_owner", String),
    Column("lease_expires_at", UtcDateTime),
    Column("claimed_at", UtcDateTime),
    Column("degraded", String),
    Column("referrers", String),  # the referrers' fingerprint
    Column("target_checked_at", UtcDateTime),  # when the target was last asked for its digest; None: to be asked
    Column("error_registry", String),  # that caused `error`; None: neither of the two
    Column("failed_at", UtcDateTime),  # the first failure since it was last synced or skipped
    Column("last_outcome", String),  # of the last attempt
    Column("moved_at", UtcDateTime),  # when upstream's tag was last found to name another digest
    Column("probed_at", UtcDateTime),  # when upstream was last asked for its digest; None: to be asked, if need be
    Column("natural_order", _CodePoints),  # sorts tags by name, numbers in it by value
    Column("contents_checked_at", UtcDateTime),  # as `target_checked_at`: for all that its manifests name,
    Column("bytes_checked_at", UtcDateTime),  # and for the bytes of all of that
    Column("hold", String),  # why nothing is copied over what the target has, until a person releases it
    Column("held_at", UtcDateTime),
    Column("upstream_since", UtcDateTime),  # since when upstream has `source_digest`, as far as known
    Column("quarantined_until", UtcDateTime),  # `source_digest` is not copied before; None: it may be
    Column("released_digest", String),  # upstream's digest that a person has let through
    Column("kept_digest", String),  # upstream's digest that a person does not want
    Column("holds_changes", Boolean),  # another digest than the mirrored one is not copied; NULL: it is
    UniqueConstraint("target", "tag"),
    CheckConstraint("status IN ('queued', 'running', 'synced', 'failed', 'skipped')", name="status"),
    CheckConstraint("(status = 'running') = (lease_token IS NOT NULL)", name="lease"),
    CheckConstraint("status NOT IN ('queued', 'running') OR source_digest IS NOT NULL", name="digest"),
)


TagCondition = ColumnElement[bool]  # on the rows of `tags`


# The column with the time of a tag's last check, by the check's depth.
CHECKED_AT: Mapping[Depth, str] = {
    "tags": "target_checked_at", "contents": "contents_checked_at", "bytes": "bytes_checked_at",
}  # fmt: skip


def status_is(status: Status) -> ColumnElement[bool]:
    """`status = '…'` as a literal: SQLite does not use a partial index if the condition has a parameter."""
    if status not in get_args(Status):
        raise ValueError(f"{status!r} is no status")
    return tags.c.status == literal_column(f"'{status}'", String)


def name_columns(tag: str) -> dict[str, str]:
    """The columns of a tag's name."""
    return {"tag": tag, "natural_order": natural_order(tag)}


def item_columns(item: ItemKey) -> dict[str, str | None]:
    """The columns that all tags of an item have in common."""
    return {
        "item": item.name, "platforms": item.platforms,
        "source": item.source, "source_registry": item.source.partition("/")[0],
        "target": item.target, "target_registry": item.target.partition("/")[0],
    }  # fmt: skip


def change_held(mirrored: ColumnElement[str] = tags.c.mirrored_digest) -> ColumnElement[bool]:
    """Whether upstream's digest must not be copied over the mirrored one: never NULL. See `is_change_held`."""
    digest = tags.c.source_digest
    return and_(
        digest.is_not(None), mirrored.is_not(None), digest != mirrored,
        digest.is_distinct_from(tags.c.released_digest),
        or_(tags.c.holds_changes.is_not_distinct_from(true()), digest.is_not_distinct_from(tags.c.kept_digest)),
    )  # fmt: skip


CHANGE_HELD = change_held()
HELD = or_(tags.c.hold.is_not(None), CHANGE_HELD)  # nothing is copied over what the target has
# Held until a person releases it; not what is being removed.
RELEASABLE = or_(tags.c.hold == "rollback", and_(tags.c.hold.is_(None), CHANGE_HELD))
# Held, and persons are told of it: those that a person keeps are settled.
_put_back = tags.c.hold == literal_column("'rollback'", String)
HELD_BACK = or_(_put_back, tags.c.reason == literal_column(f"'{HELD_CHANGED}'", String))


def _partial(name: str, *columns: Column[object], where: ColumnElement[bool]) -> Index:
    return Index(name, *columns, sqlite_where=where)  # for PostgreSQL: see set_postgresql_options


# Mirrored before, but upstream's tag cannot be read now: `error` says why.
UNREAD = status_is("synced") & tags.c.failed_at.is_not(None)
_queued, _running = status_is("queued"), status_is("running")
# To be copied, though the target has an earlier copy. Short of a digest that changes, `requeue` leads there, too.
OUTDATED = tags.c.mirrored_digest.is_not(None) & or_(_queued, _running, status_is("failed"))
_partial("ix_tags_due", tags.c.rank, tags.c.run_at, tags.c.id, where=_queued & tags.c.run_at.is_not(None))
_partial(  # for a claim while some registries are paused, or have their share of workers
    "ix_tags_due_by_route",
    tags.c.source_registry, tags.c.target_registry, tags.c.status, tags.c.rank, tags.c.run_at, tags.c.id,
    where=_queued & tags.c.run_at.is_not(None),
)  # fmt: skip
_partial(  # for a claim while some items are paused by a person
    "ix_tags_due_by_item",
    tags.c.target, tags.c.status, tags.c.rank, tags.c.run_at, tags.c.id,
    where=_queued & tags.c.run_at.is_not(None),
)  # fmt: skip
# With the status, though it is the same in all rows: otherwise SQLite prefers `ix_tags_item`, and reads the table.
_partial(  # covers all counts of queued tags, with the pauses of their registries
    "ix_tags_queued",
    tags.c.target, tags.c.status, tags.c.run_at, tags.c.source_registry, tags.c.target_registry,
    tags.c.quarantined_until,
    where=_queued,
)  # fmt: skip
_partial("ix_tags_newest", tags.c.target, tags.c.pushed_at, where=status_is("synced"))
_partial("ix_tags_running", tags.c.lease_owner, where=_running)
_partial("ix_tags_failed", tags.c.target, where=status_is("failed"))
_partial(  # covers the grouping of failures by their causes
    "ix_tags_failing",
    tags.c.target, tags.c.status, tags.c.error_kind, tags.c.error_registry, tags.c.failed_at, tags.c.mirrored_digest,
    where=tags.c.failed_at.is_not(None),
)  # fmt: skip
_partial("ix_tags_outdated", tags.c.target, tags.c.status, tags.c.mirrored_digest, where=OUTDATED)
_partial("ix_tags_held", tags.c.target, tags.c.hold, tags.c.reason, where=HELD_BACK)
_partial("ix_tags_unread", tags.c.target, tags.c.status, tags.c.failed_at, where=UNREAD)
# A covering index for the summary: a million rows are counted without reading the table.
Index("ix_tags_item", tags.c.target, tags.c.status, tags.c.synced_at, tags.c.gone_at)
# With the time, or SQLite prefers `ix_tags_item`, and reads all of the item there.
_partial("ix_tags_gone", tags.c.target, tags.c.gone_at, where=tags.c.gone_at.is_not(None))
Index("ix_tags_names", tags.c.target, tags.c.natural_order, tags.c.id, tags.c.tag)
# Covers whatever the page filters and sorts an item's tags by: reading 100,000 rows of the table takes too long.
Index(
    "ix_tags_page",
    tags.c.target, tags.c.status, tags.c.reason, tags.c.error_kind, tags.c.last_outcome,
    tags.c.natural_order, tags.c.tag, tags.c.pushed_at, tags.c.synced_at, tags.c.attempts, tags.c.run_at,
)  # fmt: skip

attempts = Table(
    "attempts",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("tag_id", _Id, ForeignKey(tags.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=False, index=True),
    Column("outcome", String, nullable=False),
    Column("digest", String),
    Column("bytes_moved", BigInteger, nullable=False),
    Column("bytes_reused", BigInteger, nullable=False),
    Column("error", String),
    Column("error_kind", String),
    Column("target", String),  # the tag's, so that an item's attempts are found by an index
    Column("error_registry", String),
)
Index("ix_attempts_target", attempts.c.target, attempts.c.id)
Index("ix_attempts_outcome", attempts.c.outcome, attempts.c.id)

# The life of a tag: every digest that upstream's tag had, every one that was written to the target, and the one that
# it had there when it was removed.
digests = Table(
    "digests",
    metadata,
    Column("id", _Id, primary_key=True),  # in the order of time
    Column("tag_id", _Id, ForeignKey(tags.c.id, ondelete="CASCADE"), nullable=False),
    Column("side", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("at", UtcDateTime),  # None: before this was recorded
    Column("copy_of", String),  # of a target's digest: upstream's digest whose copy it is; None: not known
    Column("platforms", String),  # and those that were asked for
    CheckConstraint("side IN ('source', 'target', 'removed')", name="side"),
)
Index("ix_digests_tag_id", digests.c.tag_id, digests.c.id)
_partial(
    "ix_digests_removed", digests.c.at, digests.c.tag_id, where=digests.c.side == literal_column("'removed'", String)
)

findings = Table(
    "findings",  # of the last check at the target: what is wrong with a mirrored tag
    metadata,
    Column("tag_id", _Id, ForeignKey(tags.c.id, ondelete="CASCADE"), primary_key=True),
    Column("target", String, nullable=False),  # the tag's, so that an item's findings are found by an index
    Column("finding", String, nullable=False),
    Column("expected", String),  # the digest on record
    Column("found", String),  # the digest that the target's tag names
    Column("detail", String),  # what is missing
    Column("lost", Boolean, nullable=False),  # neither upstream nor the target's other repositories have it any more
    Column("intact_at", UtcDateTime),  # when the target was last known to have it
    Column("since", UtcDateTime, nullable=False),  # when it was first found so
    Column("checked_at", UtcDateTime, nullable=False),
    CheckConstraint("finding IN ('missing', 'changed', 'incomplete')", name="finding"),
)

Index("ix_findings_target", findings.c.target, findings.c.tag_id)

verifications = Table(
    "verifications",  # that have begun, or are requested, and have not ended
    metadata,
    Column("target", String, primary_key=True),
    Column("depth", String, primary_key=True),
    Column("by_service", Boolean, primary_key=True),  # requested: a service does it; False: a command
    Column("repair", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),  # what was checked since is not checked again
    CheckConstraint("depth IN ('tags', 'contents', 'bytes')", name="depth"),
    CheckConstraint("repair IN ('nothing', 'missing', 'all')", name="repair"),
)

signatures = Table(
    "signatures",  # who has signed a digest of upstream's tag, as verified before it was copied, or not
    metadata,
    Column("tag_id", _Id, ForeignKey(tags.c.id, ondelete="CASCADE"), primary_key=True),
    Column("digest", String, primary_key=True),
    Column("verdict", String, nullable=False),
    Column("signers", JSON, nullable=False),  # with what each has signed, and when
    Column("detail", String),  # why nobody counts
    Column("checked_at", UtcDateTime, nullable=False),
    CheckConstraint("verdict IN ('verified', 'missing', 'refused')", name="verdict"),
)

kept_digests = Table(
    "kept_digests",  # that a tag of Ferryman's own holds at a target, since their own tag was overwritten
    metadata,
    Column("target", String, primary_key=True),
    Column("digest", String, primary_key=True),
    Column("kept_at", UtcDateTime, nullable=False),
    Column("state", String, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),  # the state
    CheckConstraint("state IN ('pending', 'kept', 'leaving')", name="state"),
)

rollbacks = Table(
    "rollbacks",  # that have begun, and have not ended: the target's tag has this digest, or still the one before
    metadata,
    Column("tag_id", _Id, ForeignKey(tags.c.id, ondelete="CASCADE"), primary_key=True),
    Column("digest", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("owner", String, nullable=False),  # the process that does it
    Column("held_before", Boolean, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
)

prunes = Table(
    "prunes",  # marks: tags of targets that the rules no longer want, and that go when they are due
    metadata,
    Column("tag_id", _Id, ForeignKey(tags.c.id, ondelete="CASCADE"), primary_key=True),
    Column("target", String, nullable=False, index=True),  # the tag's, so that an item's marks are found by an index
    Column("reason", String, nullable=False),
    Column("marked_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("state", String, nullable=False),
    Column("owner", String),  # leaving: the process that removes it
    Column("actor", String),  # leaving: the person who wants that; None: items.yml does
    Column("began_at", UtcDateTime),  # leaving: since when
    CheckConstraint("state IN ('marked', 'leaving')", name="state"),
)

history = Table(
    "history",
    metadata,
    Column("id", _Id, primary_key=True),  # in the order of the lines
    Column("tag_id", _Id, ForeignKey(tags.c.id, ondelete="CASCADE"), nullable=False),
    Column("digest", String, nullable=False),  # or the word Unknown
    Column("pushed_at", UtcDateTime),
    UniqueConstraint("tag_id", "digest"),
)

walks = Table(
    "walks",
    metadata,
    Column("target", String, primary_key=True),
    Column("walked_at", UtcDateTime, nullable=False),
    Column("completed_at", UtcDateTime, nullable=False),
    Column("rules", String, nullable=False),
    Column("listed_at", UtcDateTime),  # what is written to the tags as `last_seen_at`; quiet looks write to no tag
    # The last look that left all rows as they were (see quiet_looks.py).
    Column("settled", String),  # fingerprint of list, rules and rows; None: there was none
    Column("settled_pages", Integer),  # that it read of the list
    Column("settled_complete", Boolean),  # those were all
    Column("settled_until", UtcDateTime),  # then copies at the target are to be checked
)

looks = Table(
    "looks",  # at items, by the scheduler
    metadata,
    Column("id", _Id, primary_key=True),
    Column("target", String, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("outcome", String, nullable=False),
    Column("error", String),
    Column("error_kind", String),
    Column("tags", Integer, nullable=False),  # that upstream has
    Column("enqueued", Integer, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("copied", Integer, nullable=False),  # jobs that ended before the next look
    Column("failed", Integer, nullable=False),  # for good
    CheckConstraint("outcome IN ('looked', 'failed', 'paused')", name="outcome"),
)
Index("ix_looks_target", looks.c.target, looks.c.id)

cycles = Table(
    "cycles",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("owner", String, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("outcome", String),  # None: it runs, or its process was killed
    Column("items", Integer, nullable=False),
    Column("items_failed", Integer, nullable=False),
    Column("enqueued", Integer, nullable=False),
    Column("error", String),
)

samples = Table(
    "samples",  # of the queue and of the work, for charts
    metadata,
    Column("at", UtcDateTime, primary_key=True),  # the start of the five minutes
    Column("queued", Integer, nullable=False),
    Column("due", Integer, nullable=False),
    Column("running", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("latency", Float, nullable=False),  # seconds: the age of the oldest due tag
    Column("copies", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("bytes_moved", BigInteger, nullable=False),
    Column("bytes_reused", BigInteger, nullable=False),
)

lookup_failures = Table(
    "troubles",  # items whose lookup failed
    metadata,
    Column("target", String, primary_key=True),
    Column("item", String, nullable=False),
    Column("source", String, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("error", String, nullable=False),
    Column("error_kind", String),
    Column("registry", String),  # that caused the error
)

registries = Table(
    "registries",  # those that are paused
    metadata,
    Column("registry", String, primary_key=True),
    Column("until", UtcDateTime),
    Column("error", String, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("fingerprint", String),
    Column("tried_at", UtcDateTime),  # the last refused login since then
    Column("tries", Integer, nullable=False, server_default="0"),  # logins since then
)

engine_images = Table(
    "engine_images",
    metadata,
    Column("engine", String, primary_key=True),
    Column("reference", String, primary_key=True),
    Column("role", String, nullable=False),
    Column("image_id", String),
    Column("previous_id", String),
    Column("used_at", UtcDateTime, nullable=False),
    CheckConstraint("role IN ('source', 'target')", name="role"),
)

blobs = Table(
    "blobs",  # blobs and manifests in target registries
    metadata,
    Column("registry", String, primary_key=True),
    Column("digest", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("repository", String, primary_key=True),
    Column("used_at", UtcDateTime),  # None: since before this was recorded
    CheckConstraint("kind IN ('blob', 'manifest')", name="kind"),
)

missing_capabilities = Table(
    "inabilities",  # of target registries
    metadata,
    Column("registry", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("found_at", UtcDateTime, nullable=False),
    Column("value", String),  # of a capability with a limit, such as the largest chunk in bytes
)

services = Table(
    "services",
    metadata,
    Column("owner", String, primary_key=True),
    Column("role", String, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("beat_at", UtcDateTime, nullable=False),
    Column("next_cycle_at", UtcDateTime),
    Column("cycle_ended_at", UtcDateTime),  # of the last one, whatever its outcome
    Column("cycle_began_at", UtcDateTime),  # of the current one
    Column("version", String),  # of Ferryman
    Column("details", JSON(none_as_null=True)),  # what the process last said of itself
)

manual_pauses = Table(
    "manual_pauses",  # by persons
    metadata,
    Column("scope", String, primary_key=True),
    Column("name", String, primary_key=True),  # of an item: its target; of all: empty
    Column("since", UtcDateTime, nullable=False),
    Column("actor", String, nullable=False),
    Column("note", String),
    CheckConstraint("scope IN ('all', 'item', 'registry')", name="scope"),
)

freezes = Table(
    "freezes",  # items whose upstream has collapsed: nothing of theirs is copied, overwritten or removed
    metadata,
    Column("target", String, primary_key=True),
    Column("item", String, nullable=False),
    Column("source", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("looked_at", UtcDateTime, nullable=False),  # when the last look that found it so began
    Column("wanted", Integer, nullable=False),  # tags that the rules want, by the record
    Column("left", Integer, nullable=False),  # of these, those that upstream has as they were
    Column("detail", String, nullable=False),  # for people
    Column("released_at", UtcDateTime),  # a person has accepted it: the next look takes upstream as it is
    CheckConstraint("reason IN ('vanished', 'changed', 'unavailable')", name="reason"),
)

lost_tags = Table(
    "lost_tags",  # of a freeze: mirrored tags that upstream does not have any more as they were
    metadata,
    Column("tag_id", _Id, ForeignKey(tags.c.id, ondelete="CASCADE"), primary_key=True),
    Column("target", String, nullable=False),  # the tag's, so that an item's are found by an index
    Column("found", String),  # the digest that upstream's tag names now; None: there is no such tag
)
Index("ix_lost_tags_target", lost_tags.c.target, lost_tags.c.tag_id)

look_requests = Table(
    "look_requests",  # by persons, or by a webhook: look now
    metadata,
    Column("target", String, primary_key=True),  # empty: all items
    Column("requested_at", UtcDateTime, nullable=False),
    Column("actor", String, nullable=False),
    Column("every_tag", Boolean, nullable=False),  # upstream is asked for each; otherwise for those that are due
)

actions = Table(
    "actions",  # of persons: the audit log
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("number", Integer),  # of tags
    Column("detail", String),
)

notices = Table(
    "notices",  # what was told
    metadata,
    Column("key", String, primary_key=True),
    Column("event", String, nullable=False),
    Column("subject", String, nullable=False),  # an item's target, a registry's host, or empty
    Column("group", String, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("told_at", UtcDateTime, nullable=False),
    Column("over_at", UtcDateTime),
)

deliveries = Table(
    "deliveries",  # of notices, that are still due
    metadata,
    Column("id", _Id, primary_key=True),
    Column("recipient", String, nullable=False),  # a hash of its URL, which is a secret
    Column("name", String, nullable=False),  # of the recipient, for people
    Column("notice", String, nullable=False),
    Column("event", String, nullable=False),
    Column("phase", String, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime),  # None: given up
    Column("tries", Integer, nullable=False),
    Column("error", String),
    Column("lease_token", String),
    Column("lease_expires_at", UtcDateTime),
    UniqueConstraint("recipient", "notice"),
    CheckConstraint("phase IN ('began', 'again', 'over')", name="phase"),
)

marks = Table(
    "marks",  # facts about this database itself, such as that it is a backup
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
    Column("set_at", UtcDateTime, nullable=False),
)


def set_postgresql_options() -> None:
    """Give the partial indexes their condition on PostgreSQL, before that dialect makes or compares tables.

    An option of a dialect imports the dialect: SQLite does not need this one.
    """
    for table in metadata.tables.values():
        for index in table.indexes:
            index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]
