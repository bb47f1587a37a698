"""The whole schema: importing this module registers every table on `metadata`."""

from curation.models import generation, images, operations, people, reading, training
from curation.models.base import Base

metadata = Base.metadata
MODULES = (images, people, generation, reading, training, operations)
