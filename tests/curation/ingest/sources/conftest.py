"""A directory of files, made for each test."""

from pathlib import Path

import pytest

from curation.image_store import Pixels
from tests.curation.ingest.sources.folders import Maker, encoded


@pytest.fixture
def folder(tmp_path: Path) -> Maker:
    """Makes a directory of files: bytes as they are, arrays in the format of the file's name."""

    def make(files: dict[str, bytes | Pixels]) -> Path:
        for name, content in files.items():
            path = tmp_path / "cells" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else encoded(content, path.suffix))
        return tmp_path / "cells"

    return make
