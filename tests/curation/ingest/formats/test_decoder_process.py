"""A decoder that dies takes nothing along: its file is one line, and the next file is decoded."""

import os
import signal
import time

import numpy as np
import pytest
from pydicom.pixels.utils import pixel_array

from curation.errors import BadInput
from curation.ingest.formats.decoder_process import _DecoderProcess
from tests.curation.ingest.formats.dicom_samples import sample


@pytest.mark.slow
def test_what_the_decoder_says_of_a_file_stays_out_of_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    apart = _DecoderProcess()
    [frame] = apart.decode(sample("JPEG-lossy.dcm"), 0, 1)  # its scan header is wrong, which the decoder mentions
    apart._kill()
    assert frame.shape == (1024, 256)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_after_a_crash_of_the_decoder_the_next_file_is_decoded() -> None:
    apart, path = _DecoderProcess(), sample("SC_rgb_jpeg_gdcm.dcm")
    [frame] = apart.decode(path, 0, 1)
    assert np.array_equal(frame, pixel_array(path))
    assert apart._pool is not None
    [process] = list(apart._pool._processes.values())
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    time.sleep(0.2)
    with pytest.raises(BadInput, match="the decoder crashed"):
        apart.decode(path, 0, 1)
    assert np.array_equal(apart.decode(path, 0, 1)[0], frame)
    apart._kill()
