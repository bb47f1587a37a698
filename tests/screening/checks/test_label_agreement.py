"""The label probe is as accurate and as sure as it says, on subjects that it never saw."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from screening.checks.check import Unset
from screening.checks.label_agreement import LabelProbe, Reliability
from screening.features.descriptors import Descriptors
from tests.screening.cohort import described

NAMES = ("a", "b", "c")


def cohort(seed: int, each: int, apart: float) -> Descriptors:
    random = np.random.default_rng(seed)
    centres = apart * np.random.default_rng(99).normal(size=(3, 12))
    labels: list[str | None] = [name for name in NAMES for _ in range(each)]
    features = np.concatenate([centre + random.normal(size=(each, 12)) for centre in centres])
    return described(labels, features=features.astype(np.float32))


def probe(apart: float, each: int = 60) -> LabelProbe:
    images = cohort(0, each, apart)
    fitted = LabelProbe.fit(images, range(len(images.labels)))
    assert isinstance(fitted, LabelProbe)
    return fitted


@pytest.mark.slow
def test_what_it_is_told_of_its_own_accuracy_holds_on_subjects_that_it_never_saw() -> None:
    for apart in (0.3, 1.0):
        fitted = probe(apart)
        held_out = fitted.reliability(cohort(1, 300, apart))
        assert held_out is not None
        assert abs(held_out.accuracy - fitted.cross_validated.accuracy) < 0.1
        assert held_out.calibration_error < 0.1


@pytest.mark.slow
def test_the_class_that_is_shown_is_likelier_than_one_that_is_not() -> None:
    fitted = probe(1.0)
    images = cohort(1, 50, 1.0)
    other = [NAMES[(NAMES.index(str(label)) + 1) % 3] for label in images.labels]
    assert np.median(fitted.values(images)) > 0.7
    assert np.median(fitted.values(described(other, features=images.features))) < 0.2
    assert np.isnan(fitted.values(described(["unheard of", None], features=images.features[:2]))).all()


@pytest.mark.slow
def test_subjects_with_many_images_are_never_on_both_sides_of_a_fold() -> None:
    random = np.random.default_rng(0)
    people = random.normal(size=(60, 12)).repeat(4, axis=0)
    labels: list[str | None] = [NAMES[subject % 2] for subject in range(60) for _ in range(4)]
    features = (people + 0.05 * random.normal(size=people.shape)).astype(np.float32)
    subjects = [subject for subject in range(60) for _ in range(4)]
    fitted = LabelProbe.fit(described(labels, features=features), subjects)
    assert isinstance(fitted, LabelProbe)
    # Labels mean nothing here: a probe that met a subject's other images would seem right nearly always.
    assert fitted.cross_validated.accuracy < 0.75


def test_a_class_that_shows_beyond_the_64_largest_directions_is_known() -> None:
    random = np.random.default_rng(0)
    labels: list[str | None] = [NAMES[row % 2] for row in range(400)]
    large = random.normal(size=(400, 80)).repeat(8, axis=1)  # 80 directions of which each fills eight features
    telling = random.normal(size=(400, 8)) + np.array([row % 2 for row in range(400)])[:, None]
    features = np.concatenate([large, telling], axis=1).astype(np.float32)
    fitted = LabelProbe.fit(described(labels, features=features), range(400))
    assert isinstance(fitted, LabelProbe)
    assert fitted.cross_validated.accuracy > 0.75


def test_too_few_subjects_or_classes_make_no_probe() -> None:
    images = cohort(0, 30, 1.0)
    one_each = LabelProbe.fit(images, [row % 10 for row in range(len(images.labels))])
    assert isinstance(one_each, Unset)
    assert "0 classes with 20 real training subjects" in str(one_each)
    one_class = described(images.labels[:30], features=images.features[:30])
    assert isinstance(LabelProbe.fit(one_class, range(30)), Unset)


def test_the_calibration_error_is_that_of_torchmetrics() -> None:
    random = np.random.default_rng(0)
    predicted = random.dirichlet(np.ones(3), 400)
    labels = random.integers(0, 3, 400)
    expected = multiclass_calibration_error(torch.tensor(predicted), torch.tensor(labels), 3, n_bins=15, norm="l1")
    reliability = Reliability.of(predicted, list(NAMES), [NAMES[label] for label in labels])
    assert reliability.calibration_error == pytest.approx(float(expected), abs=2e-4)
    assert sum(count for count, _, _ in reliability.bins) == reliability.n == 400
