"""What is believed of targets and logins, and since when; facts about the database itself"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tags", sa.Column("target_checked_at", sa.DateTime(timezone=True)))
    unread = sa.text("status = 'synced' AND error IS NOT NULL")
    op.create_index("ix_tags_unread", "tags", ["target", "status"], sqlite_where=unread, postgresql_where=unread)
    op.add_column("registries", sa.Column("tried_at", sa.DateTime(timezone=True)))
    op.add_column("registries", sa.Column("tries", sa.Integer(), server_default="0", nullable=False))
    op.add_column("blobs", sa.Column("used_at", sa.DateTime(timezone=True)))
    op.add_column("inabilities", sa.Column("value", sa.String()))
    op.add_column("services", sa.Column("cycle_ended_at", sa.DateTime(timezone=True)))
    op.add_column("services", sa.Column("cycle_began_at", sa.DateTime(timezone=True)))
    due = sa.text("status = 'queued' AND run_at IS NOT NULL")
    op.create_index(
        "ix_tags_due_by_registry",
        "tags",
        ["source_registry", "rank", "run_at", "id"],
        sqlite_where=due,
        postgresql_where=due,
    )
    op.create_table(
        "marks",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_marks"),
    )


def downgrade() -> None:
    op.drop_table("marks")
    op.drop_index("ix_tags_due_by_registry", table_name="tags")
    op.drop_column("services", "cycle_began_at")
    op.drop_column("services", "cycle_ended_at")
    op.drop_column("inabilities", "value")
    op.drop_column("blobs", "used_at")
    op.drop_column("registries", "tries")
    op.drop_column("registries", "tried_at")
    op.drop_index("ix_tags_unread", table_name="tags")
    op.drop_column("tags", "target_checked_at")
