"""When a reader was unlocked, and since when devices that signed in before are known."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("readers", sa.Column("unlocked_at", sa.DateTime(), nullable=True))
    op.add_column("readers", sa.Column("devices_since", sa.DateTime(), nullable=True))


def downgrade() -> None:
    """Take the revision back."""
    op.drop_column("readers", "devices_since")
    op.drop_column("readers", "unlocked_at")
