"""The unit of the values of CT images."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision; of images that are there the unit was not kept, and it stays NULL."""
    op.add_column("images", sa.Column("value_unit", sa.String(16), nullable=True))


def downgrade() -> None:
    """Take the revision back."""
    op.drop_column("images", "value_unit")
