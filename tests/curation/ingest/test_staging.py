"""The staging file takes no memory, has no name, and reports a full disk."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.ingest.arrival import Arrival
from curation.ingest.incoming import NO_GEOMETRY, Geometry
from curation.tables.images import Split
from tests.small_disk import small_disk

ROOT = Path(__file__).parents[3]
SOAK = os.environ.get("ROUNDS_SOAK") == "1"

numbers = st.floats(allow_nan=False)
pairs = st.tuples(numbers, numbers)
geometries = st.one_of(
    st.just(NO_GEOMETRY),
    st.builds(
        Geometry,
        spacing_mm=st.none() | pairs,
        rescale_slope=numbers,
        rescale_intercept=numbers,
        signed_offset=st.sampled_from([0, 128, 32768]),
        modality=st.sampled_from([None, "CT"]),
        window=st.none() | pairs,
        frame=st.none() | st.integers(0, 999),
        affine=st.none() | st.tuples(*[st.tuples(*[numbers] * 4)] * 4),
    ),
)
arrivals = st.builds(
    Arrival,
    source_file=st.text(),
    labels=st.lists(st.tuples(st.text(), st.floats(0, 1))).map(tuple),
    subject_key=st.text(),
    subject_known=st.booleans(),
    split=st.none() | st.sampled_from(Split),
    pixel_sha256=st.just("a" * 64),
    file_sha256=st.just("b" * 64),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3])),
    bits=st.sampled_from([8, 16]),
    geometry=geometries,
    masks=st.dictionaries(st.text(), st.text()),
    covariates=st.none() | st.dictionaries(st.text(), st.text() | numbers),
    kept_as=st.text(),
    burnt_in=st.none() | st.text(),
    notes=st.lists(st.text()).map(tuple),
    in_project=st.booleans(),
)


@given(arrivals)
@pytest.mark.slow
def test_an_arrival_comes_back_from_its_record_as_it_was(arrival: Arrival) -> None:
    assert Arrival.from_record(arrival.record(), arrival.split) == arrival


SPILLED = """
import os
from curation.errors import Unavailable
from curation.ingest.staging import Staging
from tests.curation.ingest.arrivals import numbered_arrival
try:
    with Staging.open() as staging:
        for number in range(2_000):
            staging.add(numbered_arrival(number, "x" * 4_000))
        links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
        print(*(os.readlink(link) for link in links if os.path.islink(link)), sep="\\n")
        print("names:", os.listdir(os.environ["SQLITE_TMPDIR"]))
except Unavailable as error:
    print(error)
"""


def _spill_into(directory: Path) -> str:
    """What is said of eight megabytes; SQLite looks up its directory once, so this is a process of its own."""
    variables = {**os.environ, "SQLITE_TMPDIR": str(directory)}
    command = [sys.executable, "-c", SPILLED]
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, check=True, text=True).stdout


@pytest.mark.slow
def test_the_temporary_file_has_no_name_that_anybody_could_open(tmp_path: Path) -> None:
    output = _spill_into(tmp_path)
    assert f"{tmp_path}/etilqs" in output  # it is there, and written to
    assert "names: []" in output


@pytest.mark.slow
def test_a_full_disk_for_temporary_files_is_said_with_what_to_do(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 100) as small:
        output = _spill_into(small)
    assert re.search("temporary file of this import cannot be written.*Free some space.*set TMPDIR", output)


HELD = """
import resource, sys
from curation.ingest.staging import Staging
from curation.ingest.intake import decide
from tests.curation.ingest.arrivals import numbered_arrival
for count in map(int, sys.argv[1:]):
    with Staging.open() as staging:
        for number in range(count):
            staging.add(numbered_arrival(number))
        staging.close_list()
        decide(staging, 0)
        assert sum(1 for _ in staging.accepted()) == count
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
@pytest.mark.soak
def test_four_times_the_arrivals_take_hardly_more_memory() -> None:
    few, many = (10_000, 40_000) if SOAK else (4_000, 16_000)
    process = subprocess.run(
        [sys.executable, "-c", HELD, str(few), str(many)], cwd=ROOT, capture_output=True, check=True
    )
    held_by_few, held_by_many = map(int, process.stdout.split())
    assert held_by_many - held_by_few < (many - few) * 60
