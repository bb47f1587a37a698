"""Word class names as captions. Torch-free."""

from collections.abc import Sequence

from curation.errors import BadInput

TEMPLATES = ("{}", "an image of {}", "a medical image that shows {}", "a scan with {}", "there is {} in this image")


def name_in_words(label: str) -> str:
    """Write a class name as words: `old_infarct` is old infarct."""
    return " ".join(label.replace("_", " ").replace("-", " ").split())


def word_class(label: str, templates: Sequence[str] = TEMPLATES) -> list[str]:
    """Word a class name by each template."""
    return [template.replace("{}", name_in_words(label)) for template in templates]


def check_templates(templates: Sequence[str]) -> tuple[str, ...]:
    """Return the templates; raises BadInput for one without the place {} of the class name."""
    wrong = [template for template in templates if "{}" not in template]
    if wrong or not templates:
        raise BadInput(f"expected templates with {{}} where the class name goes, as in 'a scan of {{}}'; got {wrong}.")
    return tuple(templates)
