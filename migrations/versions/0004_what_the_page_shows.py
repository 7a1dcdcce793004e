"""What the page shows: the life of digests, looks, cycles, samples, and what persons did"""

import re
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)
_PAGE = [
    "target", "status", "reason", "error_kind", "last_outcome", "natural_order", "tag",
    "pushed_at", "synced_at", "attempts", "run_at",
]  # fmt: skip
_DIGITS = re.compile("[0-9]+")
_CHUNK = 10_000  # rows
_OWNED = "fk_digests_tag_id_tags"


def upgrade() -> None:
    op.add_column("tags", sa.Column("error_registry", sa.String()))
    op.add_column("tags", sa.Column("failed_at", _TIME))
    op.add_column("tags", sa.Column("last_outcome", sa.String()))
    op.add_column("tags", sa.Column("moved_at", _TIME))
    op.add_column("tags", sa.Column("probed_at", _TIME))
    op.add_column("tags", sa.Column("natural_order", sa.String().with_variant(sa.String(collation="C"), "postgresql")))
    op.add_column("tags", sa.Column("contents_checked_at", _TIME))
    op.add_column("tags", sa.Column("bytes_checked_at", _TIME))
    op.add_column("tags", sa.Column("hold", sa.String()))
    op.add_column("tags", sa.Column("held_at", _TIME))
    op.add_column("tags", sa.Column("upstream_since", _TIME))
    op.add_column("tags", sa.Column("quarantined_until", _TIME))
    op.add_column("tags", sa.Column("released_digest", sa.String()))
    op.add_column("tags", sa.Column("kept_digest", sa.String()))
    op.add_column("tags", sa.Column("holds_changes", sa.Boolean()))
    held = sa.text("hold = 'rollback' OR reason = 'held-changed'")
    op.create_index("ix_tags_held", "tags", ["target", "hold", "reason"], sqlite_where=held, postgresql_where=held)
    due = sa.text("status = 'queued' AND run_at IS NOT NULL")
    columns = ["target", "status", "rank", "run_at", "id"]
    op.create_index("ix_tags_due_by_item", "tags", columns, sqlite_where=due, postgresql_where=due)
    op.drop_index("ix_tags_due_by_registry", table_name="tags")
    columns = ["source_registry", "target_registry", "status", "rank", "run_at", "id"]
    op.create_index("ix_tags_due_by_route", "tags", columns, sqlite_where=due, postgresql_where=due)
    op.add_column("attempts", sa.Column("target", sa.String()))
    op.add_column("attempts", sa.Column("error_registry", sa.String()))
    op.create_index("ix_attempts_target", "attempts", ["target", "id"])
    op.create_index("ix_attempts_outcome", "attempts", ["outcome", "id"])
    op.add_column("troubles", sa.Column("error_kind", sa.String()))
    op.add_column("troubles", sa.Column("registry", sa.String()))
    op.add_column("walks", sa.Column("listed_at", _TIME))
    op.add_column("walks", sa.Column("settled", sa.String()))
    op.add_column("walks", sa.Column("settled_pages", sa.Integer()))
    op.add_column("walks", sa.Column("settled_complete", sa.Boolean()))
    op.add_column("walks", sa.Column("settled_until", _TIME))
    op.add_column("services", sa.Column("version", sa.String()))
    op.add_column("services", sa.Column("details", sa.JSON()))
    _index_tags()
    _create_digests()
    _create_verification()
    _create_rollbacks()
    _create_prunes()
    _create_looks()
    _create_signatures()
    _create_freezes()
    _create_actions()
    _create_notices()
    _take_over()


def _index_tags() -> None:
    failing = sa.text("failed_at IS NOT NULL")
    by_cause = ["target", "status", "error_kind", "error_registry", "failed_at", "mirrored_digest"]
    op.create_index("ix_tags_failing", "tags", by_cause, sqlite_where=failing, postgresql_where=failing)
    outdated = sa.text("mirrored_digest IS NOT NULL AND (status = 'queued' OR status = 'running' OR status = 'failed')")
    columns = ["target", "status", "mirrored_digest"]
    op.create_index("ix_tags_outdated", "tags", columns, sqlite_where=outdated, postgresql_where=outdated)
    synced = sa.text("status = 'synced'")
    op.create_index("ix_tags_newest", "tags", ["target", "pushed_at"], sqlite_where=synced, postgresql_where=synced)
    unread = sa.text("status = 'synced' AND failed_at IS NOT NULL")
    op.drop_index("ix_tags_unread", table_name="tags")
    columns = ["target", "status", "failed_at"]
    op.create_index("ix_tags_unread", "tags", columns, sqlite_where=unread, postgresql_where=unread)
    queued = sa.text("status = 'queued'")
    op.drop_index("ix_tags_queued", table_name="tags")
    columns = ["target", "status", "run_at", "source_registry", "target_registry", "quarantined_until"]
    op.create_index("ix_tags_queued", "tags", columns, sqlite_where=queued, postgresql_where=queued)
    op.drop_index("ix_tags_item", table_name="tags")
    op.create_index("ix_tags_item", "tags", ["target", "status", "synced_at", "gone_at"])
    gone = sa.text("gone_at IS NOT NULL")
    op.create_index("ix_tags_gone", "tags", ["target", "gone_at"], sqlite_where=gone, postgresql_where=gone)
    op.create_index("ix_tags_names", "tags", ["target", "natural_order", "id", "tag"])
    op.create_index("ix_tags_page", "tags", _PAGE)


def _create_digests() -> None:
    op.create_table(
        "digests",
        sa.Column("id", _ID, nullable=False),
        sa.Column("tag_id", _ID, nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("at", _TIME),
        sa.Column("copy_of", sa.String()),
        sa.Column("platforms", sa.String()),
        sa.CheckConstraint("side IN ('source', 'target', 'removed')", name="side"),
        sa.ForeignKeyConstraint(["tag_id"], ["tags.id"], name=_OWNED, ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_digests"),
    )
    op.create_index("ix_digests_tag_id", "digests", ["tag_id", "id"])
    removed = sa.text("side = 'removed'")
    op.create_index("ix_digests_removed", "digests", ["at", "tag_id"], sqlite_where=removed, postgresql_where=removed)


def _create_verification() -> None:
    op.create_table(
        "findings",
        sa.Column("tag_id", _ID, nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("finding", sa.String(), nullable=False),
        sa.Column("expected", sa.String()),
        sa.Column("found", sa.String()),
        sa.Column("detail", sa.String()),
        sa.Column("lost", sa.Boolean(), nullable=False),
        sa.Column("intact_at", _TIME),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("checked_at", _TIME, nullable=False),
        sa.CheckConstraint("finding IN ('missing', 'changed', 'incomplete')", name="finding"),
        sa.ForeignKeyConstraint(["tag_id"], ["tags.id"], name="fk_findings_tag_id_tags", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tag_id", name="pk_findings"),
    )
    op.create_index("ix_findings_target", "findings", ["target", "tag_id"])
    op.create_table(
        "verifications",
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("depth", sa.String(), nullable=False),
        sa.Column("by_service", sa.Boolean(), nullable=False),
        sa.Column("repair", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("began_at", _TIME, nullable=False),
        sa.CheckConstraint("depth IN ('tags', 'contents', 'bytes')", name="depth"),
        sa.CheckConstraint("repair IN ('nothing', 'missing', 'all')", name="repair"),
        sa.PrimaryKeyConstraint("target", "depth", "by_service", name="pk_verifications"),
    )


def _create_signatures() -> None:
    op.create_table(
        "signatures",
        sa.Column("tag_id", _ID, nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("signers", sa.JSON(), nullable=False),
        sa.Column("detail", sa.String()),
        sa.Column("checked_at", _TIME, nullable=False),
        sa.CheckConstraint("verdict IN ('verified', 'missing', 'refused')", name="verdict"),
        sa.ForeignKeyConstraint(["tag_id"], ["tags.id"], name="fk_signatures_tag_id_tags", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tag_id", "digest", name="pk_signatures"),
    )


def _create_rollbacks() -> None:
    op.create_table(
        "kept_digests",
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("kept_at", _TIME, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
        sa.CheckConstraint("state IN ('pending', 'kept', 'leaving')", name="state"),
        sa.PrimaryKeyConstraint("target", "digest", name="pk_kept_digests"),
    )
    op.create_table(
        "rollbacks",
        sa.Column("tag_id", _ID, nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("held_before", sa.Boolean(), nullable=False),
        sa.Column("began_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["tag_id"], ["tags.id"], name="fk_rollbacks_tag_id_tags", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tag_id", name="pk_rollbacks"),
    )


def _create_freezes() -> None:
    op.create_table(
        "freezes",
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("item", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("looked_at", _TIME, nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("left", sa.Integer(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("released_at", _TIME),
        sa.CheckConstraint("reason IN ('vanished', 'changed', 'unavailable')", name="reason"),
        sa.PrimaryKeyConstraint("target", name="pk_freezes"),
    )
    op.create_table(
        "lost_tags",
        sa.Column("tag_id", _ID, nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("found", sa.String()),
        sa.ForeignKeyConstraint(["tag_id"], ["tags.id"], name="fk_lost_tags_tag_id_tags", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tag_id", name="pk_lost_tags"),
    )
    op.create_index("ix_lost_tags_target", "lost_tags", ["target", "tag_id"])


def _create_prunes() -> None:
    op.create_table(
        "prunes",
        sa.Column("tag_id", _ID, nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("marked_at", _TIME, nullable=False),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("owner", sa.String()),
        sa.Column("actor", sa.String()),
        sa.Column("began_at", _TIME),
        sa.CheckConstraint("state IN ('marked', 'leaving')", name="state"),
        sa.ForeignKeyConstraint(["tag_id"], ["tags.id"], name="fk_prunes_tag_id_tags", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tag_id", name="pk_prunes"),
    )
    op.create_index("ix_prunes_target", "prunes", ["target"])


def _create_looks() -> None:
    op.create_table(
        "looks",
        sa.Column("id", _ID, nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("error", sa.String()),
        sa.Column("error_kind", sa.String()),
        sa.Column("tags", sa.Integer(), nullable=False),
        sa.Column("enqueued", sa.Integer(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("copied", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.CheckConstraint("outcome IN ('looked', 'failed', 'paused')", name="outcome"),
        sa.PrimaryKeyConstraint("id", name="pk_looks"),
    )
    op.create_index("ix_looks_target", "looks", ["target", "id"])
    op.create_table(
        "cycles",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("began_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("outcome", sa.String()),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("items_failed", sa.Integer(), nullable=False),
        sa.Column("enqueued", sa.Integer(), nullable=False),
        sa.Column("error", sa.String()),
        sa.PrimaryKeyConstraint("id", name="pk_cycles"),
    )
    op.create_table(
        "samples",
        sa.Column("at", _TIME, nullable=False),
        sa.Column("queued", sa.Integer(), nullable=False),
        sa.Column("due", sa.Integer(), nullable=False),
        sa.Column("running", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("latency", sa.Float(), nullable=False),
        sa.Column("copies", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("bytes_moved", sa.BigInteger(), nullable=False),
        sa.Column("bytes_reused", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("at", name="pk_samples"),
    )


def _create_actions() -> None:
    op.create_table(
        "manual_pauses",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("note", sa.String()),
        sa.CheckConstraint("scope IN ('all', 'item', 'registry')", name="scope"),
        sa.PrimaryKeyConstraint("scope", "name", name="pk_manual_pauses"),
    )
    op.create_table(
        "look_requests",
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("requested_at", _TIME, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("every_tag", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("target", name="pk_look_requests"),
    )
    op.create_table(
        "actions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("number", sa.Integer()),
        sa.Column("detail", sa.String()),
        sa.PrimaryKeyConstraint("id", name="pk_actions"),
    )
    op.create_index("ix_actions_at", "actions", ["at"])


def _create_notices() -> None:
    op.create_table(
        "notices",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("group", sa.String(), nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("told_at", _TIME, nullable=False),
        sa.Column("over_at", _TIME),
        sa.PrimaryKeyConstraint("key", name="pk_notices"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", _ID, nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("notice", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("due_at", _TIME),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", sa.String()),
        sa.Column("lease_token", sa.String()),
        sa.Column("lease_expires_at", _TIME),
        sa.CheckConstraint("phase IN ('began', 'again', 'over')", name="phase"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("recipient", "notice", name="uq_deliveries_recipient_notice"),
    )


def _take_over() -> None:
    """Fill the new columns and tables from what is recorded. `at` stays empty: the time was not recorded."""
    op.execute("UPDATE attempts SET target = (SELECT target FROM tags WHERE tags.id = attempts.tag_id)")
    op.execute(
        "INSERT INTO digests (tag_id, side, digest) "
        "SELECT id, 'source', source_digest FROM tags WHERE source_digest IS NOT NULL ORDER BY id"
    )
    op.execute(
        "INSERT INTO digests (tag_id, side, digest, copy_of, platforms) SELECT id, 'target', target_digest, "
        "mirrored_digest, mirrored_platforms FROM tags WHERE target_digest IS NOT NULL ORDER BY id"
    )
    op.execute(
        "UPDATE tags SET last_outcome = (SELECT outcome FROM attempts "
        "WHERE attempts.id = (SELECT max(id) FROM attempts WHERE tag_id = tags.id))"
    )
    _order_names()
    _release_waiting()
    # The first failure since the last copy, as far as attempts are kept; a tag that cannot be read has none.
    op.execute(
        "UPDATE tags SET failed_at = coalesce("
        "(SELECT min(finished_at) FROM attempts WHERE tag_id = tags.id AND outcome = 'failed' "
        "AND (tags.synced_at IS NULL OR finished_at > tags.synced_at)), last_seen_at, first_seen_at) "
        "WHERE status = 'failed' OR (status = 'synced' AND error IS NOT NULL)"
    )


def _release_waiting() -> None:
    """Undo what pauses of registries have written into queued tags: now they change none."""
    tags = sa.table(
        "tags", sa.column("status"), sa.column("reason"), sa.column("run_at", _TIME),
        sa.column("error"), sa.column("error_kind"),
    )  # fmt: skip
    held = sa.or_(tags.c.run_at.is_(None), tags.c.reason == "paused")
    now = datetime.now(UTC)
    due = sa.update(tags).where(tags.c.status == "queued", held)
    op.execute(due.values(reason=None, run_at=now, error=None, error_kind=None))


def _order_names() -> None:
    """Fill `natural_order`: numbers in a tag's name are preceded by their number of digits."""
    tags = sa.table("tags", sa.column("id", sa.BigInteger()), sa.column("tag", sa.String()), sa.column("natural_order"))
    change = sa.update(tags).where(tags.c.id == sa.bindparam("key")).values(natural_order=sa.bindparam("order"))
    page = sa.select(tags.c.id, tags.c.tag).order_by(tags.c.id).limit(_CHUNK)
    last = 0
    while rows := op.get_bind().execute(page.where(tags.c.id > last)).all():
        op.get_bind().execute(change, [{"key": key, "order": _natural_order(tag)} for key, tag in rows])
        last = rows[-1].id


def _natural_order(name: str) -> str:
    return _DIGITS.sub(lambda number: f"{len(digits := number[0].lstrip('0') or '0'):03}{digits}", name)


def downgrade() -> None:
    for table in (
        "signatures",
        "deliveries",
        "notices",
        "actions",
        "look_requests",
        "manual_pauses",
        "samples",
        "cycles",
        "looks",
        "lost_tags",
        "freezes",
        "prunes",
        "rollbacks",
        "kept_digests",
        "verifications",
        "findings",
        "digests",
    ):
        op.drop_table(table)
    for column in ("settled_until", "settled_complete", "settled_pages", "settled", "listed_at"):
        op.drop_column("walks", column)
    op.drop_column("services", "details")
    op.drop_column("services", "version")
    op.drop_column("troubles", "registry")
    op.drop_column("troubles", "error_kind")
    op.drop_index("ix_attempts_outcome", table_name="attempts")
    op.drop_index("ix_attempts_target", table_name="attempts")
    op.drop_column("attempts", "error_registry")
    op.drop_column("attempts", "target")
    op.drop_index("ix_tags_page", table_name="tags")
    op.drop_index("ix_tags_names", table_name="tags")
    op.drop_index("ix_tags_gone", table_name="tags")
    op.drop_index("ix_tags_newest", table_name="tags")
    op.drop_index("ix_tags_item", table_name="tags")
    op.create_index("ix_tags_item", "tags", ["target", "status", "gone_at", "synced_at"])
    unread = sa.text("status = 'synced' AND error IS NOT NULL")
    op.drop_index("ix_tags_unread", table_name="tags")
    op.create_index("ix_tags_unread", "tags", ["target", "status"], sqlite_where=unread, postgresql_where=unread)
    queued = sa.text("status = 'queued'")
    op.drop_index("ix_tags_queued", table_name="tags")
    op.create_index("ix_tags_queued", "tags", ["target", "run_at"], sqlite_where=queued, postgresql_where=queued)
    op.drop_index("ix_tags_outdated", table_name="tags")
    op.drop_index("ix_tags_failing", table_name="tags")
    op.drop_index("ix_tags_due_by_item", table_name="tags")
    op.drop_index("ix_tags_due_by_route", table_name="tags")
    due = sa.text("status = 'queued' AND run_at IS NOT NULL")
    columns = ["source_registry", "rank", "run_at", "id"]
    op.create_index("ix_tags_due_by_registry", "tags", columns, sqlite_where=due, postgresql_where=due)
    op.drop_index("ix_tags_held", table_name="tags")
    op.drop_column("tags", "holds_changes")
    op.drop_column("tags", "kept_digest")
    op.drop_column("tags", "released_digest")
    op.drop_column("tags", "quarantined_until")
    op.drop_column("tags", "upstream_since")
    op.drop_column("tags", "held_at")
    op.drop_column("tags", "hold")
    op.drop_column("tags", "bytes_checked_at")
    op.drop_column("tags", "contents_checked_at")
    op.drop_column("tags", "natural_order")
    op.drop_column("tags", "probed_at")
    op.drop_column("tags", "moved_at")
    op.drop_column("tags", "last_outcome")
    op.drop_column("tags", "failed_at")
    op.drop_column("tags", "error_registry")
