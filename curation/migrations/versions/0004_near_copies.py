"""Near copies of training images among held-out ones, and bound subjects."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "near_copy_searches",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("method", sa.String(length=50), nullable=False),
        sa.Column("through_image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_near_copy_searches")),
    )
    op.create_table(
        "near_copies",
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("like_image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("correlation", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_near_copies_image_id_images")),
        sa.ForeignKeyConstraint(["like_image_id"], ["images.id"], name=op.f("fk_near_copies_like_image_id_images")),
        sa.PrimaryKeyConstraint("image_id", "like_image_id", name=op.f("pk_near_copies")),
    )
    with op.batch_alter_table("near_copies", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_near_copies_like_image_id"), ["like_image_id"], unique=False)

    op.create_table(
        "subject_aliases",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_subject_aliases_subject_id_subjects")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_subject_aliases")),
    )
    with op.batch_alter_table("subject_aliases", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_subject_aliases_subject_id"), ["subject_id"], unique=False)


def downgrade() -> None:
    """Take the revision back."""
    with op.batch_alter_table("subject_aliases", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_subject_aliases_subject_id"))

    op.drop_table("subject_aliases")
    with op.batch_alter_table("near_copies", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_near_copies_like_image_id"))

    op.drop_table("near_copies")
    op.drop_table("near_copy_searches")
