"""The first schema"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "engine_images",
        sa.Column("engine", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("image_id", sa.String()),
        sa.Column("previous_id", sa.String()),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('source', 'target')", name=op.f("ck_engine_images_role")),
        sa.PrimaryKeyConstraint("engine", "reference", name="pk_engine_images"),
    )
    op.create_table(
        "registries",
        sa.Column("registry", sa.String(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True)),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fingerprint", sa.String()),
        sa.PrimaryKeyConstraint("registry", name="pk_registries"),
    )
    op.create_table(
        "services",
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_cycle_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("owner", name="pk_services"),
    )
    op.create_table(
        "tags",
        sa.Column("id", ID, nullable=False),
        sa.Column("item", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.Column("source_registry", sa.String(), nullable=False),
        sa.Column("target_registry", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String()),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("platforms", sa.String()),
        sa.Column("source_digest", sa.String()),
        sa.Column("pushed_at", sa.DateTime(timezone=True)),
        sa.Column("platform_digests", sa.JSON(none_as_null=True)),
        sa.Column("first_seen_at", sa.DateTime(timezone=True)),
        sa.Column("last_seen_at", sa.DateTime(timezone=True)),
        sa.Column("gone_at", sa.DateTime(timezone=True)),
        sa.Column("mirrored_digest", sa.String()),
        sa.Column("mirrored_platforms", sa.String()),
        sa.Column("target_digest", sa.String()),
        sa.Column("identical", sa.Boolean()),
        sa.Column("synced_at", sa.DateTime(timezone=True)),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("run_at", sa.DateTime(timezone=True)),
        sa.Column("error", sa.String()),
        sa.Column("error_kind", sa.String()),
        sa.Column("lease_token", sa.String()),
        sa.Column("lease_owner", sa.String()),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True)),
        sa.Column("claimed_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("(status = 'running') = (lease_token IS NOT NULL)", name=op.f("ck_tags_lease")),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'synced', 'failed', 'skipped')", name=op.f("ck_tags_status")
        ),
        sa.CheckConstraint(
            "status NOT IN ('queued', 'running') OR source_digest IS NOT NULL", name=op.f("ck_tags_digest")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_tags"),
        sa.UniqueConstraint("target", "tag", name="uq_tags_target_tag"),
    )
    op.create_index(
        "ix_tags_due",
        "tags",
        ["rank", "run_at", "id"],
        sqlite_where=sa.text("status = 'queued' AND run_at IS NOT NULL"),
        postgresql_where=sa.text("status = 'queued' AND run_at IS NOT NULL"),
    )
    op.create_index(
        "ix_tags_failed",
        "tags",
        ["target"],
        sqlite_where=sa.text("status = 'failed'"),
        postgresql_where=sa.text("status = 'failed'"),
    )
    op.create_index("ix_tags_item", "tags", ["target", "status", "gone_at", "synced_at"])
    op.create_index(
        "ix_tags_queued",
        "tags",
        ["target", "run_at"],
        sqlite_where=sa.text("status = 'queued'"),
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_index(
        "ix_tags_running",
        "tags",
        ["lease_owner"],
        sqlite_where=sa.text("status = 'running'"),
        postgresql_where=sa.text("status = 'running'"),
    )

    op.create_table(
        "troubles",
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("item", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("target", name="pk_troubles"),
    )
    op.create_table(
        "walks",
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("walked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rules", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("target", name="pk_walks"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", ID, nullable=False),
        sa.Column("tag_id", ID, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("digest", sa.String()),
        sa.Column("bytes_moved", sa.BigInteger(), nullable=False),
        sa.Column("bytes_reused", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.String()),
        sa.Column("error_kind", sa.String()),
        sa.ForeignKeyConstraint(["tag_id"], ["tags.id"], name="fk_attempts_tag_id_tags", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
    )
    op.create_index("ix_attempts_finished_at", "attempts", ["finished_at"])
    op.create_index("ix_attempts_tag_id", "attempts", ["tag_id"])

    op.create_table(
        "history",
        sa.Column("id", ID, nullable=False),
        sa.Column("tag_id", ID, nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("pushed_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["tag_id"], ["tags.id"], name="fk_history_tag_id_tags", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_history"),
        sa.UniqueConstraint("tag_id", "digest", name="uq_history_tag_id_digest"),
    )


def downgrade() -> None:
    op.drop_table("history")

    op.drop_table("attempts")
    op.drop_table("walks")
    op.drop_table("troubles")

    op.drop_table("tags")
    op.drop_table("services")
    op.drop_table("registries")
    op.drop_table("engine_images")
