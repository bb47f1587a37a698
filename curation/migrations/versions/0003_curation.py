"""Curation: geometry, windows and covariates of images; withdrawals; error rates; set measures; privacy pairs."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "check_reports",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("parameters_digest", sa.String(length=64), nullable=False),
        sa.Column(
            "status",
            sa.Enum("building", "ready", "failed", name="status", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_reports")),
        sa.UniqueConstraint("parameters_digest", name=op.f("uq_check_reports_parameters_digest")),
    )
    with op.batch_alter_table("check_reports", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_check_reports_kind"), ["kind"], unique=False)

    op.create_table(
        "pair_lists",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("recipe", sa.JSON(), nullable=False),
        sa.Column(
            "status",
            sa.Enum("building", "ready", "failed", name="status", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("closed_at", sa.DateTime(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pair_lists")),
        sa.UniqueConstraint("name", name=op.f("uq_pair_lists_name")),
    )
    op.create_table(
        "set_measurements",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("request_digest", sa.String(length=64), nullable=False),
        sa.Column(
            "status",
            sa.Enum("building", "ready", "failed", name="status", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_set_measurements")),
        sa.UniqueConstraint("request_digest", name=op.f("uq_set_measurements_request_digest")),
    )
    op.create_table(
        "withdrawals",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_withdrawals_subject_id_subjects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withdrawals")),
        sa.UniqueConstraint("subject_id", name=op.f("uq_withdrawals_subject_id")),
    )
    op.create_table(
        "affected",
        sa.Column("withdrawal_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "image",
                "generator",
                "batch",
                "snapshot",
                "run",
                "study",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("target_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["withdrawal_id"], ["withdrawals.id"], name=op.f("fk_affected_withdrawal_id_withdrawals")
        ),
        sa.PrimaryKeyConstraint("withdrawal_id", "kind", "target_id", name=op.f("pk_affected")),
    )
    op.create_table(
        "pairs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("pair_list_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(
            "truth",
            sa.Enum("suspect", "same", "different", name="truth", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("first_image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("second_image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["first_image_id"], ["images.id"], name=op.f("fk_pairs_first_image_id_images")),
        sa.ForeignKeyConstraint(["pair_list_id"], ["pair_lists.id"], name=op.f("fk_pairs_pair_list_id_pair_lists")),
        sa.ForeignKeyConstraint(["second_image_id"], ["images.id"], name=op.f("fk_pairs_second_image_id_images")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pairs")),
        sa.UniqueConstraint("key", name=op.f("uq_pairs_key")),
        sa.UniqueConstraint("pair_list_id", "position", name=op.f("uq_pairs_pair_list_id_position")),
    )
    with op.batch_alter_table("pairs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pairs_first_image_id"), ["first_image_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_pairs_second_image_id"), ["second_image_id"], unique=False)

    op.create_table(
        "pair_readings",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("op_id", sa.String(length=64), nullable=False),
        sa.Column("pair_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reader_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("voids_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column(
            "verdict",
            sa.Enum(
                "same", "different", "unsure", name="verdict", native_enum=False, create_constraint=True, length=32
            ),
            nullable=True,
        ),
        sa.Column("elapsed_ms", sa.Integer(), nullable=True),
        sa.Column("read_at", sa.DateTime(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["pair_id"], ["pairs.id"], name=op.f("fk_pair_readings_pair_id_pairs")),
        sa.ForeignKeyConstraint(["reader_id"], ["readers.id"], name=op.f("fk_pair_readings_reader_id_readers")),
        sa.ForeignKeyConstraint(
            ["voids_id"], ["pair_readings.id"], name=op.f("fk_pair_readings_voids_id_pair_readings")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pair_readings")),
        sa.UniqueConstraint("op_id", name=op.f("uq_pair_readings_op_id")),
        sa.UniqueConstraint("voids_id", name=op.f("uq_pair_readings_voids_id")),
    )
    with op.batch_alter_table("pair_readings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pair_readings_pair_id"), ["pair_id"], unique=False)
        batch_op.create_index("ix_pair_readings_reader_id", ["reader_id", "id"], unique=False)

    with op.batch_alter_table("images", schema=None) as batch_op:
        batch_op.add_column(sa.Column("modality", sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column("window_center", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("window_width", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("frame", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("affine", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("covariates", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("withdrawn_at", sa.DateTime(), nullable=True))

    with op.batch_alter_table("reader_cursors", schema=None) as batch_op:
        batch_op.add_column(sa.Column("allotted", sa.Integer(), nullable=True))

    with op.batch_alter_table("snapshots", schema=None) as batch_op:
        batch_op.add_column(sa.Column("outcomes_digest", sa.String(length=64), nullable=True))

    with op.batch_alter_table("subjects", schema=None) as batch_op:
        batch_op.add_column(sa.Column("withdrawn_at", sa.DateTime(), nullable=True))


def downgrade() -> None:
    """Take the revision back."""
    with op.batch_alter_table("subjects", schema=None) as batch_op:
        batch_op.drop_column("withdrawn_at")

    with op.batch_alter_table("snapshots", schema=None) as batch_op:
        batch_op.drop_column("outcomes_digest")

    with op.batch_alter_table("reader_cursors", schema=None) as batch_op:
        batch_op.drop_column("allotted")

    with op.batch_alter_table("images", schema=None) as batch_op:
        batch_op.drop_column("withdrawn_at")
        batch_op.drop_column("covariates")
        batch_op.drop_column("affine")
        batch_op.drop_column("frame")
        batch_op.drop_column("window_width")
        batch_op.drop_column("window_center")
        batch_op.drop_column("modality")

    with op.batch_alter_table("pair_readings", schema=None) as batch_op:
        batch_op.drop_index("ix_pair_readings_reader_id")
        batch_op.drop_index(batch_op.f("ix_pair_readings_pair_id"))

    op.drop_table("pair_readings")
    with op.batch_alter_table("pairs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pairs_second_image_id"))
        batch_op.drop_index(batch_op.f("ix_pairs_first_image_id"))

    op.drop_table("pairs")
    op.drop_table("affected")
    op.drop_table("withdrawals")
    op.drop_table("set_measurements")
    op.drop_table("pair_lists")
    with op.batch_alter_table("check_reports", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_check_reports_kind"))

    op.drop_table("check_reports")
