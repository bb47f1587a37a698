"""The whole schema: importing this module registers every table on `metadata`."""

from curation.tables import (
    generation,
    images,
    measures,
    near_copies,
    operations,
    pairs,
    people,
    reading,
    training,
    withdrawals,
)
from curation.tables.base import Base

metadata = Base.metadata
MODULES = (images, people, generation, reading, training, operations, measures, pairs, withdrawals, near_copies)
