"""The whole schema: importing this module registers every table on `metadata`."""

from curation.models import generation, images, measures, operations, pairs, people, reading, training, withdrawals
from curation.models.base import Base

metadata = Base.metadata
MODULES = (images, people, generation, reading, training, operations, measures, pairs, withdrawals)
