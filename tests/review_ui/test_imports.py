"""The review application imports neither torch nor what only figures need."""

import subprocess
import sys

import pytest

FORBIDDEN = ("torch", "diffusers", "transformers", "monai", "peft", "accelerate")
SLOW = ("sklearn", "cleanlab", "statsmodels", "scipy.stats")  # seconds before the first page, for figures only
PROBE = f"""
import sys
import review_ui.launch, review_ui.views.overview, review_ui.views.review
print([name for name in {SLOW!r} if name in sys.modules])
import review_ui.views.screening
print([name for name in {FORBIDDEN!r} if name in sys.modules])
"""


@pytest.mark.slow
def test_the_application_imports_no_model_library_and_starts_without_that_of_figures() -> None:
    answer = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert answer.stdout.strip().split() == ["[]", "[]"]
