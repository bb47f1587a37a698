"""SHA-256 of canonical JSON: equal values, equal digest."""

import hashlib
import json
import re
from typing import Any

HEX_DIGITS = "0123456789abcdef"
_SHA256 = re.compile(f"[{HEX_DIGITS}]{{64}}")
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)  # made once: half the time


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no spaces: equal values give equal bytes."""
    return _ENCODER.encode(value).encode()


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def is_sha256(value: object) -> bool:
    """Tell whether a value is a SHA-256 as it is written everywhere: 64 hexadecimal digits in lower case."""
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None
