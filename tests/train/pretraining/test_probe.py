"""The probe before and after, its interval, and the word that the interval allows."""

from pathlib import Path

import numpy as np
import pytest

from curation.errors import BadInput
from tests.train.snapshots import write_snapshot
from train.pretraining.probe import DECIDING, HELPED, HURT, UNDECIDED, Probabilities, ProbeSet
from train.pretraining.report import describe_report


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory) -> ProbeSet:
    """Probes of 20 validation subjects with two images each."""
    folder = write_snapshot(tmp_path_factory.mktemp("probe") / "snapshot", {"train": 4, "validation": 20})
    return ProbeSet.choose(folder, 6, seed=0)


def read_with_noise(probes: ProbeSet, noise: float, seed: int = 0) -> Probabilities:
    """Probabilities that tell the classes apart up to noise."""
    labels = probes.folder.labels(probes.validation)
    logit = (2 * labels - 1) + noise * np.random.default_rng(seed).normal(size=len(labels))
    share = 1 / (1 + np.exp(-logit))
    return np.stack([1 - share, share], axis=1)


def test_helped_stands_only_where_the_interval_of_the_difference_lies_above_zero(probes: ProbeSet) -> None:
    poor, good = read_with_noise(probes, 3.0), read_with_noise(probes, 0.2)
    helped, hurt = probes.compare(poor, good, 1), probes.compare(good, poor, 1)
    assert (helped.word, hurt.word, probes.compare(good, good, 1).word) == (HELPED, HURT, UNDECIDED)
    assert helped.difference[DECIDING].low > 0
    assert hurt.difference[DECIDING].high < 0
    assert (helped.n_images, helped.n_units, helped.resampled) == (40, 20, "subject")
    alike = probes.compare(poor, read_with_noise(probes, 2.9), 1)
    assert alike.difference[DECIDING].low <= 0 <= alike.difference[DECIDING].high
    assert alike.word == UNDECIDED


def test_a_measure_that_says_otherwise_is_named_instead_of_the_word(probes: ProbeSet) -> None:
    labels = probes.folder.labels(probes.validation)
    first = np.where(labels == 1, 0.45, 0.05)  # every image is called the first class, in the right order
    blind = np.stack([1 - first, first], axis=1)
    good = read_with_noise(probes, 0.2)
    assert probes.compare(good, blind, 1).word == "no difference in AUROC, balanced accuracy fell"
    assert probes.compare(blind, good, 1).word == "no difference in AUROC, balanced accuracy rose"
    noisy = read_with_noise(probes, 1.2)
    assert probes.compare(noisy, blind, 1).word == "AUROC rose, balanced accuracy fell"


def test_the_best_of_several_variants_has_a_wider_interval(probes: ProbeSet) -> None:
    before, after = read_with_noise(probes, 3.0), read_with_noise(probes, 1.5, seed=1)
    one, five = probes.compare(before, after, 1).difference[DECIDING], probes.compare(before, after, 5)
    assert five.confidence == pytest.approx(0.99)
    assert five.difference[DECIDING].low < one.low < one.high < five.difference[DECIDING].high


def test_the_report_never_says_helped_of_what_the_interval_does_not_allow(probes: ProbeSet) -> None:
    after = probes.compare(read_with_noise(probes, 3.0), read_with_noise(probes, 2.9), 1)
    report = {"probe": after.as_json(), "word": after.word, "chosen": "simmim", "variants": {}}
    lines = describe_report(report)
    assert lines["frozen probe"] == UNDECIDED
    assert "helped" not in " ".join(lines.values())
    assert "20 subjects with 40 images" in lines["intervals"]
    none = describe_report({"probe": {"why_none": "no subjects"}, "word": "not measured"})
    assert none == {"probe": "not measured: no subjects"}


def test_probes_need_every_class_on_both_sides_and_take_real_images_alone(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path / "a", {"train": 3, "validation": 2}, synthetic=["upper"] * 4)
    chosen = ProbeSet.choose(folder, 4, seed=1)
    assert len(chosen.train) == 4
    assert {row.origin for row in chosen.train} == {"real"}
    with pytest.raises(BadInput, match="a probe needs two classes"):
        ProbeSet.choose(folder, 1, seed=1)
    without = write_snapshot(tmp_path / "b", {"train": 3, "validation": 0})
    with pytest.raises(BadInput, match=r"validation split .* has no image"):
        ProbeSet.choose(without, 10, seed=1)
