"""The review application starts on a machine without torch: nothing it imports reaches it."""

import subprocess
import sys

FORBIDDEN = ("torch", "diffusers", "transformers", "monai", "peft", "accelerate")
PROBE = f"""
import sys
import review_ui.launch, review_ui.views.overview, review_ui.views.review, review_ui.views.screening
print([name for name in {FORBIDDEN!r} if name in sys.modules])
"""


def test_the_application_imports_no_model_library() -> None:
    answer = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
