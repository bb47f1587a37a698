"""Captions of images."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "image_captions",
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_image_captions_image_id_images")),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_image_captions")),
    )


def downgrade() -> None:
    """Take the revision back."""
    op.drop_table("image_captions")
