"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "event_heads",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("hmac", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_heads")),
    )
    op.create_table(
        "events",
        sa.Column(
            "sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("hmac", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_events")),
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_events_kind"), ["kind"], unique=False)

    op.create_table(
        "generators",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("directory", sa.String(length=1024), nullable=False),
        sa.Column("weights_digest", sa.String(length=64), nullable=False),
        sa.Column("card", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_generators")),
        sa.UniqueConstraint("name", name=op.f("uq_generators_name")),
    )
    op.create_table(
        "imports",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source", sa.String(length=1024), nullable=False),
        sa.Column("source_digest", sa.String(length=64), nullable=False),
        sa.Column(
            "status",
            sa.Enum("building", "ready", "failed", name="status", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("subjects_known", sa.Boolean(), nullable=False),
        sa.Column("notice", sa.String(length=500), nullable=True),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
        sa.UniqueConstraint("source_digest", name=op.f("uq_imports_source_digest")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("dedupe_key", sa.String(length=100), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "queued",
                "running",
                "done",
                "failed",
                "cancelled",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("worker", sa.String(length=100), nullable=True),
        sa.Column("lease_until", sa.DateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_jobs_dedupe_key")),
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index("ix_jobs_status_id", ["status", "id"], unique=False)

    op.create_table(
        "labels",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_labels")),
        sa.UniqueConstraint("name", name=op.f("uq_labels_name")),
    )
    op.create_table(
        "readers",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("human", "proxy", name="kind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column(
            "role",
            sa.Enum(
                "reader",
                "adjudicator",
                "privacy",
                "curator",
                "administrator",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("password_hash", sa.String(length=300), nullable=True),
        sa.Column("must_change_password", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("failed_sign_ins", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.DateTime(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_readers")),
        sa.UniqueConstraint("name", name=op.f("uq_readers_name")),
    )
    op.create_table(
        "snapshots",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("directory", sa.String(length=1024), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("recipe", sa.JSON(), nullable=False),
        sa.Column(
            "status",
            sa.Enum("building", "ready", "failed", name="status", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("reading_ids", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshots")),
        sa.UniqueConstraint("name", name=op.f("uq_snapshots_name")),
    )
    op.create_table(
        "studies",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("plan_digest", sa.String(length=64), nullable=False),
        sa.Column("directory", sa.String(length=1024), nullable=False),
        sa.Column(
            "status",
            sa.Enum("building", "ready", "failed", name="status", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_studies")),
        sa.UniqueConstraint("name", name=op.f("uq_studies_name")),
    )
    op.create_table(
        "subjects",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column(
            "split",
            sa.Enum(
                "train",
                "validation",
                "test",
                "reserve",
                name="split",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("known", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subjects")),
        sa.UniqueConstraint("key", name=op.f("uq_subjects_key")),
    )
    with op.batch_alter_table("subjects", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_subjects_split"), ["split"], unique=False)

    op.create_table(
        "worklists",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column(
            "status",
            sa.Enum("building", "ready", "failed", name="status", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("question", sa.String(length=500), nullable=False),
        sa.Column("label_shown", sa.Boolean(), nullable=False),
        sa.Column("readers_per_image", sa.Integer(), nullable=False),
        sa.Column("rule", sa.JSON(), nullable=False),
        sa.Column("classes", sa.JSON(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("recipe", sa.JSON(), nullable=False),
        sa.Column("notice", sa.String(length=500), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("closed_at", sa.DateTime(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worklists")),
        sa.UniqueConstraint("name", name=op.f("uq_worklists_name")),
    )
    op.create_table(
        "batches",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("generator_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("request_digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column(
            "status",
            sa.Enum("building", "ready", "failed", name="status", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["generator_id"], ["generators.id"], name=op.f("fk_batches_generator_id_generators")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
        sa.UniqueConstraint("request_digest", name=op.f("uq_batches_request_digest")),
    )
    op.create_table(
        "generator_pixels",
        sa.Column("generator_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("pixel_sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["generator_id"], ["generators.id"], name=op.f("fk_generator_pixels_generator_id_generators")
        ),
        sa.PrimaryKeyConstraint("generator_id", "pixel_sha256", name=op.f("pk_generator_pixels")),
    )
    with op.batch_alter_table("generator_pixels", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_generator_pixels_pixel_sha256"), ["pixel_sha256"], unique=False)

    op.create_table(
        "generator_subjects",
        sa.Column("generator_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subject_key", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["generator_id"], ["generators.id"], name=op.f("fk_generator_subjects_generator_id_generators")
        ),
        sa.PrimaryKeyConstraint("generator_id", "subject_key", name=op.f("pk_generator_subjects")),
    )
    with op.batch_alter_table("generator_subjects", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_generator_subjects_subject_key"), ["subject_key"], unique=False)

    op.create_table(
        "reader_cursors",
        sa.Column("reader_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("worklist_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["reader_id"], ["readers.id"], name=op.f("fk_reader_cursors_reader_id_readers")),
        sa.ForeignKeyConstraint(
            ["worklist_id"], ["worklists.id"], name=op.f("fk_reader_cursors_worklist_id_worklists")
        ),
        sa.PrimaryKeyConstraint("reader_id", "worklist_id", name=op.f("pk_reader_cursors")),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("snapshot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("config_digest", sa.String(length=64), nullable=False),
        sa.Column("directory", sa.String(length=1024), nullable=False),
        sa.Column(
            "status",
            sa.Enum("building", "ready", "failed", name="status", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshots.id"], name=op.f("fk_runs_snapshot_id_snapshots")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("name", name=op.f("uq_runs_name")),
    )
    op.create_table(
        "sign_ins",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reader_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("csrf_token", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["reader_id"], ["readers.id"], name=op.f("fk_sign_ins_reader_id_readers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_ins")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_sign_ins_token_sha256")),
    )
    with op.batch_alter_table("sign_ins", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sign_ins_reader_id"), ["reader_id"], unique=False)

    op.create_table(
        "evaluations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "split",
            sa.Enum(
                "train",
                "validation",
                "test",
                "reserve",
                name="split",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_evaluations_run_id_runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluations")),
    )
    with op.batch_alter_table("evaluations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_evaluations_run_id"), ["run_id"], unique=False)

    op.create_table(
        "images",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "origin",
            sa.Enum(
                "real", "synthetic", "altered", name="origin", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("import_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("subject_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("batch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("batch_index", sa.Integer(), nullable=True),
        sa.Column("altered_from_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("alteration", sa.JSON(), nullable=True),
        sa.Column("source_file", sa.String(length=1024), nullable=True),
        sa.Column("file_sha256", sa.String(length=64), nullable=False),
        sa.Column("pixel_sha256", sa.String(length=64), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("bits", sa.Integer(), nullable=False),
        sa.Column("spacing_row_mm", sa.Double(), nullable=True),
        sa.Column("spacing_column_mm", sa.Double(), nullable=True),
        sa.Column("rescale_slope", sa.Double(), nullable=False),
        sa.Column("rescale_intercept", sa.Double(), nullable=False),
        sa.Column("signed_offset", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["altered_from_id"], ["images.id"], name=op.f("fk_images_altered_from_id_images")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_images_batch_id_batches")),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_images_import_id_imports")),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_images_subject_id_subjects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
        sa.UniqueConstraint("batch_id", "batch_index", name=op.f("uq_images_batch_id_batch_index")),
        sa.UniqueConstraint(
            "import_id", "subject_id", "pixel_sha256", name=op.f("uq_images_import_id_subject_id_pixel_sha256")
        ),
    )
    with op.batch_alter_table("images", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_images_file_sha256"), ["file_sha256"], unique=False)
        batch_op.create_index("ix_images_origin", ["origin"], unique=False)
        batch_op.create_index("ix_images_pixel_sha256", ["pixel_sha256"], unique=False)
        batch_op.create_index(batch_op.f("ix_images_subject_id"), ["subject_id"], unique=False)

    op.create_table(
        "screenings",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("batch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("parameters_digest", sa.String(length=64), nullable=False),
        sa.Column(
            "status",
            sa.Enum("building", "ready", "failed", name="status", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_screenings_batch_id_batches")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screenings")),
        sa.UniqueConstraint("batch_id", "parameters_digest", name=op.f("uq_screenings_batch_id_parameters_digest")),
    )
    op.create_table(
        "image_labels",
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("label_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source", sa.String(length=50), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_image_labels_image_id_images")),
        sa.ForeignKeyConstraint(["label_id"], ["labels.id"], name=op.f("fk_image_labels_label_id_labels")),
        sa.PrimaryKeyConstraint("image_id", "label_id", "source", name=op.f("pk_image_labels")),
    )
    op.create_table(
        "masks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("file_sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_masks_image_id_images")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_masks")),
        sa.UniqueConstraint("image_id", "name", name=op.f("uq_masks_image_id_name")),
    )
    op.create_table(
        "outcomes",
        sa.Column("worklist_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rule_digest", sa.String(length=64), nullable=False),
        sa.Column(
            "verdict",
            sa.Enum(
                "approved",
                "rejected",
                "unresolved",
                name="verdict",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("label", sa.String(length=100), nullable=True),
        sa.Column("reading_ids", sa.JSON(), nullable=False),
        sa.Column("proxy_only", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_outcomes_image_id_images")),
        sa.ForeignKeyConstraint(["worklist_id"], ["worklists.id"], name=op.f("fk_outcomes_worklist_id_worklists")),
        sa.PrimaryKeyConstraint("worklist_id", "image_id", "rule_digest", name=op.f("pk_outcomes")),
    )
    with op.batch_alter_table("outcomes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outcomes_image_id"), ["image_id"], unique=False)

    op.create_table(
        "screened_images",
        sa.Column("screening_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "verdict",
            sa.Enum("pass", "flag", "block", name="verdict", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("neighbours", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_screened_images_image_id_images")),
        sa.ForeignKeyConstraint(
            ["screening_id"], ["screenings.id"], name=op.f("fk_screened_images_screening_id_screenings")
        ),
        sa.PrimaryKeyConstraint("screening_id", "image_id", name=op.f("pk_screened_images")),
    )
    with op.batch_alter_table("screened_images", schema=None) as batch_op:
        batch_op.create_index("ix_screened_images_image_id", ["image_id"], unique=False)

    op.create_table(
        "screening_checks",
        sa.Column("screening_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("threshold", sa.String(length=100), nullable=False),
        sa.Column(
            "verdict",
            sa.Enum("pass", "flag", "block", name="verdict", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_screening_checks_image_id_images")),
        sa.ForeignKeyConstraint(
            ["screening_id"], ["screenings.id"], name=op.f("fk_screening_checks_screening_id_screenings")
        ),
        sa.PrimaryKeyConstraint("screening_id", "image_id", "name", name=op.f("pk_screening_checks")),
    )
    op.create_table(
        "snapshot_items",
        sa.Column("snapshot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("copy", sa.Integer(), nullable=False),
        sa.Column(
            "split",
            sa.Enum(
                "train",
                "validation",
                "test",
                "reserve",
                name="split",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("why", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_snapshot_items_image_id_images")),
        sa.ForeignKeyConstraint(
            ["snapshot_id"], ["snapshots.id"], name=op.f("fk_snapshot_items_snapshot_id_snapshots")
        ),
        sa.PrimaryKeyConstraint("snapshot_id", "image_id", "copy", name=op.f("pk_snapshot_items")),
    )
    with op.batch_alter_table("snapshot_items", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_snapshot_items_image_id"), ["image_id"], unique=False)

    op.create_table(
        "worklist_items",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("worklist_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum(
                "candidate",
                "real_control",
                "defect_control",
                "gate_audit",
                name="purpose",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("truth", sa.String(length=100), nullable=True),
        sa.Column("shown_label", sa.String(length=100), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_worklist_items_image_id_images")),
        sa.ForeignKeyConstraint(
            ["worklist_id"], ["worklists.id"], name=op.f("fk_worklist_items_worklist_id_worklists")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worklist_items")),
        sa.UniqueConstraint(
            "worklist_id", "image_id", "purpose", name=op.f("uq_worklist_items_worklist_id_image_id_purpose")
        ),
        sa.UniqueConstraint("worklist_id", "position", name=op.f("uq_worklist_items_worklist_id_position")),
    )
    with op.batch_alter_table("worklist_items", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_worklist_items_image_id"), ["image_id"], unique=False)

    op.create_table(
        "assignments",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("worklist_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("open", "leased", "done", name="state", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("reader_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("lease_until", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["worklist_items.id"], name=op.f("fk_assignments_item_id_worklist_items")),
        sa.ForeignKeyConstraint(["reader_id"], ["readers.id"], name=op.f("fk_assignments_reader_id_readers")),
        sa.ForeignKeyConstraint(["worklist_id"], ["worklists.id"], name=op.f("fk_assignments_worklist_id_worklists")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignments")),
        sa.UniqueConstraint("item_id", "reader_id", name=op.f("uq_assignments_item_id_reader_id")),
        sa.UniqueConstraint("item_id", "slot", name=op.f("uq_assignments_item_id_slot")),
        sa.UniqueConstraint("key", name=op.f("uq_assignments_key")),
    )
    with op.batch_alter_table("assignments", schema=None) as batch_op:
        batch_op.create_index(
            "ix_assignments_leased",
            ["worklist_id", "lease_until"],
            unique=False,
            sqlite_where=sa.text("state = 'leased'"),
            postgresql_where=sa.text("state = 'leased'"),
        )
        batch_op.create_index(
            "ix_assignments_open",
            ["worklist_id", "position"],
            unique=False,
            sqlite_where=sa.text("state = 'open'"),
            postgresql_where=sa.text("state = 'open'"),
        )
        batch_op.create_index("ix_assignments_reader", ["reader_id", "worklist_id", "state"], unique=False)

    op.create_table(
        "readings",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("op_id", sa.String(length=64), nullable=False),
        sa.Column("assignment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reader_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("voids_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column(
            "verdict",
            sa.Enum("accept", "reject", "unsure", name="verdict", native_enum=False, create_constraint=True, length=32),
            nullable=True,
        ),
        sa.Column("corrected_label", sa.String(length=100), nullable=True),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("mode", sa.String(length=20), nullable=False),
        sa.Column("elapsed_ms", sa.Integer(), nullable=True),
        sa.Column("read_at", sa.DateTime(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignments.id"], name=op.f("fk_readings_assignment_id_assignments")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["worklist_items.id"], name=op.f("fk_readings_item_id_worklist_items")),
        sa.ForeignKeyConstraint(["reader_id"], ["readers.id"], name=op.f("fk_readings_reader_id_readers")),
        sa.ForeignKeyConstraint(["voids_id"], ["readings.id"], name=op.f("fk_readings_voids_id_readings")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_readings")),
        sa.UniqueConstraint("op_id", name=op.f("uq_readings_op_id")),
        sa.UniqueConstraint("voids_id", name=op.f("uq_readings_voids_id")),
    )
    with op.batch_alter_table("readings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_readings_assignment_id"), ["assignment_id"], unique=False)
        batch_op.create_index("ix_readings_item_id", ["item_id"], unique=False)
        batch_op.create_index("ix_readings_reader_id", ["reader_id", "id"], unique=False)
    op.execute(
        sa.text("INSERT INTO event_heads (id, count, hmac) VALUES (1, 0, :genesis)").bindparams(genesis="0" * 64)
    )


def downgrade() -> None:
    """Take the revision back."""
    with op.batch_alter_table("readings", schema=None) as batch_op:
        batch_op.drop_index("ix_readings_reader_id")
        batch_op.drop_index("ix_readings_item_id")
        batch_op.drop_index(batch_op.f("ix_readings_assignment_id"))

    op.drop_table("readings")
    with op.batch_alter_table("assignments", schema=None) as batch_op:
        batch_op.drop_index("ix_assignments_reader")
        batch_op.drop_index(
            "ix_assignments_open", sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'")
        )
        batch_op.drop_index(
            "ix_assignments_leased",
            sqlite_where=sa.text("state = 'leased'"),
            postgresql_where=sa.text("state = 'leased'"),
        )

    op.drop_table("assignments")
    with op.batch_alter_table("worklist_items", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_worklist_items_image_id"))

    op.drop_table("worklist_items")
    with op.batch_alter_table("snapshot_items", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_snapshot_items_image_id"))

    op.drop_table("snapshot_items")
    op.drop_table("screening_checks")
    with op.batch_alter_table("screened_images", schema=None) as batch_op:
        batch_op.drop_index("ix_screened_images_image_id")

    op.drop_table("screened_images")
    with op.batch_alter_table("outcomes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outcomes_image_id"))

    op.drop_table("outcomes")
    op.drop_table("masks")
    op.drop_table("image_labels")
    op.drop_table("screenings")
    with op.batch_alter_table("images", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_images_subject_id"))
        batch_op.drop_index("ix_images_pixel_sha256")
        batch_op.drop_index("ix_images_origin")
        batch_op.drop_index(batch_op.f("ix_images_file_sha256"))

    op.drop_table("images")
    with op.batch_alter_table("evaluations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_evaluations_run_id"))

    op.drop_table("evaluations")
    with op.batch_alter_table("sign_ins", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sign_ins_reader_id"))

    op.drop_table("sign_ins")
    op.drop_table("runs")
    op.drop_table("reader_cursors")
    with op.batch_alter_table("generator_subjects", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_generator_subjects_subject_key"))

    op.drop_table("generator_subjects")
    with op.batch_alter_table("generator_pixels", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_generator_pixels_pixel_sha256"))

    op.drop_table("generator_pixels")
    op.drop_table("batches")
    op.drop_table("worklists")
    with op.batch_alter_table("subjects", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_subjects_split"))

    op.drop_table("subjects")
    op.drop_table("studies")
    op.drop_table("snapshots")
    op.drop_table("readers")
    op.drop_table("labels")
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index("ix_jobs_status_id")

    op.drop_table("jobs")
    op.drop_table("imports")
    op.drop_table("generators")
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_events_kind"))

    op.drop_table("events")
    op.drop_table("event_heads")
