"""Operation ids as a client makes them."""

import uuid


def new_op_id() -> str:
    """Make an operation id, as a client makes them."""
    return uuid.uuid4().hex
