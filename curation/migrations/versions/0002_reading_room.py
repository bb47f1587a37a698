"""The reading room: consent, roles, controls, repeats, grids, adjudication. Readings made before keep their meaning."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "vocabularies",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_vocabularies")),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reader_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("experience", sa.JSON(), nullable=False),
        sa.Column("display", sa.JSON(), nullable=False),
        sa.Column("agreed_at", sa.DateTime(), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["reader_id"], ["readers.id"], name=op.f("fk_consents_reader_id_readers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_consents_reader_id"), ["reader_id"], unique=False)

    op.create_table(
        "worklist_readers",
        sa.Column("worklist_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reader_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["reader_id"], ["readers.id"], name=op.f("fk_worklist_readers_reader_id_readers")),
        sa.ForeignKeyConstraint(
            ["worklist_id"], ["worklists.id"], name=op.f("fk_worklist_readers_worklist_id_worklists")
        ),
        sa.PrimaryKeyConstraint("worklist_id", "reader_id", name=op.f("pk_worklist_readers")),
    )
    with op.batch_alter_table("assignments", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "purpose",
                sa.Enum(
                    "first",
                    "repeat",
                    "grid_audit",
                    "adjudication",
                    name="purpose",
                    native_enum=False,
                    create_constraint=True,
                    length=32,
                ),
                nullable=False,
                server_default="first",
            )
        )
        batch_op.add_column(sa.Column("sequence", sa.Integer(), nullable=True))
        batch_op.drop_constraint(batch_op.f("uq_assignments_item_id_reader_id"), type_="unique")
        batch_op.create_unique_constraint(
            batch_op.f("uq_assignments_item_id_reader_id_purpose"), ["item_id", "reader_id", "purpose"]
        )

    op.create_index("ix_assignments_sequence", "assignments", ["reader_id", "worklist_id", "sequence"])

    with op.batch_alter_table("outcomes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("grid", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("adjudicated", sa.Boolean(), nullable=False, server_default=sa.false()))

    with op.batch_alter_table("reader_cursors", schema=None) as batch_op:
        batch_op.add_column(sa.Column("handed_out", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("pooled_done", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("controls_done", sa.Integer(), nullable=False, server_default="0"))

    with op.batch_alter_table("readers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("oidc_subject", sa.String(length=500), nullable=True))
        batch_op.create_unique_constraint(batch_op.f("uq_readers_oidc_subject"), ["oidc_subject"])

    with op.batch_alter_table("readings", schema=None) as batch_op:
        batch_op.add_column(sa.Column("page_id", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("ratings", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("mark", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("confidence", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("after_reveal", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("idle_ms", sa.Integer(), nullable=True))

    with op.batch_alter_table("worklists", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "kind",
                sa.Enum(
                    "verdict", "turing", "practice", name="kind", native_enum=False, create_constraint=True, length=32
                ),
                nullable=False,
                server_default="verdict",
            )
        )
        batch_op.add_column(
            sa.Column("practice_for_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True)
        )
        batch_op.add_column(sa.Column("controls", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("paused_at", sa.DateTime(), nullable=True))
        batch_op.create_foreign_key(
            batch_op.f("fk_worklists_practice_for_id_worklists"), "worklists", ["practice_for_id"], ["id"]
        )

    # Controls of earlier worklists have shared slots like candidates; progress goes on counting them so.
    op.execute("UPDATE reader_cursors SET pooled_done = done, handed_out = done")


def downgrade() -> None:
    """Take the revision back."""
    with op.batch_alter_table("worklists", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_worklists_practice_for_id_worklists"), type_="foreignkey")
        batch_op.drop_column("paused_at")
        batch_op.drop_column("controls")
        batch_op.drop_column("practice_for_id")
        batch_op.drop_constraint(op.f("ck_worklists_kind"), type_="check")
        batch_op.drop_column("kind")

    with op.batch_alter_table("readings", schema=None) as batch_op:
        batch_op.drop_column("idle_ms")
        batch_op.drop_column("after_reveal")
        batch_op.drop_column("confidence")
        batch_op.drop_column("mark")
        batch_op.drop_column("ratings")
        batch_op.drop_column("page_id")

    with op.batch_alter_table("readers", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_readers_oidc_subject"), type_="unique")
        batch_op.drop_column("oidc_subject")

    with op.batch_alter_table("reader_cursors", schema=None) as batch_op:
        batch_op.drop_column("controls_done")
        batch_op.drop_column("pooled_done")
        batch_op.drop_column("handed_out")

    with op.batch_alter_table("outcomes", schema=None) as batch_op:
        batch_op.drop_column("adjudicated")
        batch_op.drop_column("grid")

    op.drop_index("ix_assignments_sequence", "assignments")
    with op.batch_alter_table("assignments", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_assignments_item_id_reader_id_purpose"), type_="unique")
        batch_op.create_unique_constraint(batch_op.f("uq_assignments_item_id_reader_id"), ["item_id", "reader_id"])
        batch_op.drop_column("sequence")
        batch_op.drop_constraint(op.f("ck_assignments_purpose"), type_="check")
        batch_op.drop_column("purpose")

    op.drop_table("worklist_readers")
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_consents_reader_id"))

    op.drop_table("consents")
    op.drop_table("vocabularies")
