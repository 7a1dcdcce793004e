"""What targets hold and cannot do, and what a copy had to leave out"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "blobs",
        sa.Column("registry", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("repository", sa.String(), nullable=False),
        sa.CheckConstraint("kind IN ('blob', 'manifest')", name=op.f("ck_blobs_kind")),
        sa.PrimaryKeyConstraint("registry", "digest", "kind", "repository", name="pk_blobs"),
    )
    op.create_table(
        "inabilities",
        sa.Column("registry", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("registry", "name", name="pk_inabilities"),
    )
    op.add_column("tags", sa.Column("degraded", sa.String()))
    op.add_column("tags", sa.Column("referrers", sa.String()))


def downgrade() -> None:
    op.drop_column("tags", "referrers")
    op.drop_column("tags", "degraded")
    op.drop_table("inabilities")
    op.drop_table("blobs")
