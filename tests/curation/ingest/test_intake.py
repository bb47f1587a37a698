"""A subject and a picture each belong to one split of a project, and nothing enters twice."""

from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.ingest import intake as on_disk
from curation.ingest.arrival import Arrival
from curation.ingest.import_report import DuplicateKind
from curation.ingest.staging import Staging
from curation.tables.images import Split
from tests.curation.ingest import plain_intake
from tests.curation.ingest.plain_intake import Intake, Present

NOTHING = Present({}, {})


def decide(arrivals: list[Arrival], present: Present, seed: int) -> Intake:
    """What the importer decides, by way of its temporary file."""
    with Staging.open() as staging:
        for arrival in arrivals:
            staging.add(arrival)
        staging.close_list()
        for keys in staging.subjects(3):
            for key in keys:
                if key in present.subjects:
                    staging.subject_stands(key, present.subjects[key], key in present.withdrawn)
        for digests in staging.pictures(3):
            for digest in digests:
                for standing in present.pictures.get(digest, {}).values():
                    staging.picture_stands(standing)
            staging.withdraw(present.withdrawn.intersection(digests))
        intake = on_disk.decide(staging, seed)
        accepted = list(staging.accepted())
        assert staging.accepted_subjects() == {
            split: len({arrival.subject_key for arrival in accepted if arrival.split == split})
            for split in {arrival.split for arrival in accepted}
        }
    return Intake(accepted, intake.rejected, intake.duplicates, intake.already, intake.without_subject)


def _arrival(
    number: int, picture: str, subject: str | None, split: Split | None = None, label: str = "normal"
) -> Arrival:
    return Arrival(
        source_file=f"{number:03d}.png",
        labels=((label, 1.0),),
        subject_key=subject or f"image-{number}",
        subject_known=subject is not None,
        split=split,
        pixel_sha256=picture,
        file_sha256=picture,
        shape=(8, 8, 1),
        bits=8,
    )


def _present(accepted: list[Arrival]) -> Present:
    pictures: dict[str, dict[str, Arrival]] = defaultdict(dict)
    for arrival in accepted:
        pictures[arrival.pixel_sha256][arrival.subject_key] = replace(arrival, in_project=True)
    return Present({arrival.subject_key: arrival.split for arrival in accepted if arrival.split}, pictures)


staging = st.lists(
    st.tuples(
        st.sampled_from([f"picture-{n}" for n in range(12)]),
        st.sampled_from([None, "p1", "p2", "p3", "p4", "p5"]),
        st.sampled_from([None, None, None, *Split]),
        st.sampled_from(["normal", "lesion"]),
    ),
    max_size=30,
).map(lambda rows: [_arrival(number, *row) for number, row in enumerate(rows)])


@pytest.mark.slow
@given(staging, staging, st.sets(st.sampled_from(["p1", "p2", "picture-1", "picture-2"])), st.integers(0, 5))
def test_the_temporary_file_decides_as_lists_in_memory_would(
    first: list[Arrival], second: list[Arrival], withdrawn: set[str], seed: int
) -> None:
    expected = plain_intake.decide(first, NOTHING, seed)
    assert decide(first, NOTHING, seed) == expected
    standing = _present(expected.accepted)
    withdrawn_here = withdrawn & {*standing.subjects, *standing.pictures}
    present = replace(standing, withdrawn=frozenset(withdrawn_here))
    assert decide(second, present, seed) == plain_intake.decide(second, present, seed)


def test_the_temporary_file_draws_rare_labels_first_as_lists_in_memory_would() -> None:
    labels = ["common"] * 50 + ["rare"] * 7 + ["rarest"] * 3
    came = [_arrival(number, f"picture-{number}", None, None, label) for number, label in enumerate(labels)]
    for seed in range(5):
        assert decide(came, NOTHING, seed) == plain_intake.decide(came, NOTHING, seed)


@pytest.mark.slow
@given(staging, staging, st.integers(0, 5))
def test_no_subject_and_no_picture_ever_stands_in_two_splits(
    first: list[Arrival], second: list[Arrival], seed: int
) -> None:
    accepted = decide(first, NOTHING, seed).accepted
    later = [replace(arrival, source_file=f"later/{arrival.source_file}") for arrival in second]
    accepted = accepted + decide(later, _present(accepted), seed + 1).accepted
    splits_of_subject, splits_of_picture = defaultdict(set), defaultdict(set)
    for arrival in accepted:
        splits_of_subject[arrival.subject_key].add(arrival.split)
        splits_of_picture[arrival.pixel_sha256].add(arrival.split)
    assert all(len(splits) == 1 for splits in (*splits_of_subject.values(), *splits_of_picture.values()))
    assert len({(arrival.subject_key, arrival.pixel_sha256) for arrival in accepted}) == len(accepted)


@pytest.mark.slow
@given(staging, st.integers(0, 5))
def test_everything_that_came_is_accounted_for_once(arrivals: list[Arrival], seed: int) -> None:
    intake = decide(arrivals, NOTHING, seed)
    left_out = [duplicate for duplicate in intake.duplicates if duplicate.kind is not DuplicateKind.ACROSS_SUBJECTS]
    assert len(intake.accepted) + len(intake.rejected) + len(left_out) + intake.already == len(arrivals)
    names = [entry.source_file for entry in (*intake.accepted, *intake.rejected, *left_out)]
    assert len(set(names)) == len(names)


@pytest.mark.slow
@given(staging, st.integers(0, 5), st.integers(0, 5))
def test_what_was_accepted_is_not_accepted_again_with_any_seed(arrivals: list[Arrival], seed: int, other: int) -> None:
    accepted = decide(arrivals, NOTHING, seed).accepted
    again = decide([replace(arrival, split=None) for arrival in accepted], _present(accepted), other)
    assert (again.accepted, again.rejected, again.already) == ([], [], len(accepted))


def test_of_equal_pictures_in_two_splits_the_training_one_is_kept_and_the_other_listed() -> None:
    arrivals = [_arrival(0, "same", None, Split.TEST), _arrival(1, "same", None, Split.TRAIN)]
    intake = decide(arrivals, NOTHING, 0)
    assert [arrival.source_file for arrival in intake.accepted] == ["001.png"]
    [duplicate] = intake.duplicates
    assert (duplicate.kind, duplicate.source_file, duplicate.of_file) == ("across splits", "000.png", "001.png")


def test_a_subject_given_in_two_splits_is_left_out_whole() -> None:
    arrivals = [_arrival(0, "a", "p1", Split.TRAIN), _arrival(1, "b", "p1", Split.TEST), _arrival(2, "c", "p2")]
    intake = decide(arrivals, NOTHING, 0)
    assert [arrival.subject_key for arrival in intake.accepted] == ["p2"]
    assert {fault.reason for fault in intake.rejected} == {
        "the source has its subject in test and in train: a subject belongs to one split"
    }


def test_a_known_subject_keeps_its_split_and_a_source_that_says_otherwise_is_listed() -> None:
    present = Present({"p1": Split.TEST}, {})
    intake = decide([_arrival(0, "a", "p1"), _arrival(1, "b", "p1")], present, 0)
    assert {arrival.split for arrival in intake.accepted} == {Split.TEST}
    intake = decide([_arrival(0, "a", "p1", Split.TRAIN)], present, 0)
    assert [fault.reason for fault in intake.rejected] == ["its subject is in test already, the source says train"]


def test_equal_pictures_under_two_subjects_are_drawn_together_kept_and_listed() -> None:
    arrivals = [_arrival(n, f"own-{n}", f"p{n}") for n in range(40)]
    arrivals += [_arrival(40, "shared", "p3"), _arrival(41, "shared", "p17", label="lesion")]
    for seed in range(10):
        intake = decide(arrivals, NOTHING, seed)
        splits = {arrival.subject_key: arrival.split for arrival in intake.accepted}
        assert splits["p3"] == splits["p17"]
        [duplicate] = intake.duplicates
        assert duplicate.kind is DuplicateKind.ACROSS_SUBJECTS
        assert duplicate.labels_differ


def test_a_picture_that_is_here_without_a_subject_is_not_added_under_one() -> None:
    accepted = decide([_arrival(0, "a", None)], NOTHING, 0).accepted
    intake = decide([replace(_arrival(1, "a", "p1"), source_file="again.png")], _present(accepted), 0)
    assert (intake.accepted, intake.already, intake.without_subject) == ([], 1, 1)
