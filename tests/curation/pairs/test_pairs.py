"""Lists of pairs: what is in them, what a judge is sent, what is recorded, and what it amounts to."""

from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from curation.errors import BadInput, Conflict, NotFound
from curation.pairs.build import close_pair_list, create_pair_list, find_pair_list
from curation.pairs.judging import Judgement, find_next_pairs, find_pair_image, list_open_pair_lists, record_judgement
from curation.pairs.recipe import PairRecipe
from curation.pairs.results import compute_pair_results
from curation.project import Project
from curation.tables.images import Image, Origin, Split, Subject
from curation.tables.operations import Event
from curation.tables.pairs import Pair, PairList, PairReading, PairTruth, PairVerdict
from curation.tables.people import ReaderKind
from tests.curation.pairs.rows import add_judge, add_suspects, add_training
from tests.operation_ids import new_op_id
from tests.rows import NOW

RECIPE = PairRecipe(name="p", suspects=4, same=3, different=3, seed=1)


@pytest.fixture
def suspected(project: Project) -> Project:
    """Ten subjects with two images each, and six suspects near them, two of them blocked."""
    with project.database.write() as session:
        images = add_training(project, session, subjects=10, images_each=2)
        add_suspects(project, session, images[:6], blocked=2)
        add_judge(project, session)
    return project


def listed(project: Project, recipe: PairRecipe = RECIPE) -> list[Pair]:
    """The pairs of a new list, in their order."""
    made = create_pair_list(project, NOW, recipe)
    with project.database.read() as session:
        return list(session.scalars(select(Pair).where(Pair.pair_list_id == made.id).order_by(Pair.position)))


def judge(project: Project, key: str, **fields: object) -> Judgement:
    """Record one judgement by the one judge."""
    values = {"op_id": new_op_id(), "key": key, "read_at": NOW, "verdict": PairVerdict.SAME, **fields}
    judgement = Judgement.model_validate(values)
    with project.database.write() as session:
        record_judgement(session, project.chain, NOW, 1, judgement)
    return judgement


@pytest.mark.slow
def test_blocked_suspects_come_before_flagged_ones_and_known_pairs_are_mixed_in(suspected: Project) -> None:
    pairs = listed(suspected, RECIPE.model_copy(update={"suspects": 2}))
    by_truth = {truth: [pair for pair in pairs if pair.truth is truth] for truth in PairTruth}
    assert {truth: len(pairs_of_truth) for truth, pairs_of_truth in by_truth.items()} == {
        PairTruth.SUSPECT: 2, PairTruth.SAME: 3, PairTruth.DIFFERENT: 3,
    }  # fmt: skip
    with suspected.database.read() as session:
        images = {image.id: image for image in session.scalars(select(Image))}
    for pair in by_truth[PairTruth.SUSPECT]:
        synthetic = [
            image_id
            for image_id in (pair.first_image_id, pair.second_image_id)
            if images[image_id].origin is Origin.SYNTHETIC
        ]
        assert [images[image_id].batch_index for image_id in synthetic] in ([0], [1])
    for truth, alike in ((PairTruth.SAME, True), (PairTruth.DIFFERENT, False)):
        for pair in by_truth[truth]:
            subjects = [images[image_id].subject_id for image_id in (pair.first_image_id, pair.second_image_id)]
            assert (subjects[0] == subjects[1]) is alike
            assert pair.first_image_id != pair.second_image_id


@pytest.mark.slow
def test_only_training_images_stand_beside_suspects(suspected: Project) -> None:
    with suspected.database.write() as session:
        for subject in session.scalars(select(Subject).where(Subject.key.in_(["s8", "s9"]))):
            subject.split = Split.TEST
    pairs = listed(suspected, RECIPE.model_copy(update={"same": 8, "different": 3}))
    with suspected.database.read() as session:
        held_out = set(
            session.scalars(
                select(Image.id).join(Subject, Subject.id == Image.subject_id).where(Subject.split != Split.TRAIN)
            )
        )
    assert not {image_id for pair in pairs for image_id in (pair.first_image_id, pair.second_image_id)} & held_out


def test_an_image_and_a_moved_copy_stand_in_where_nobody_has_two_images(project: Project) -> None:
    with project.database.write() as session:
        images = add_training(project, session, subjects=12, images_each=1)
        add_suspects(project, session, images[:2], blocked=2)
    pairs = listed(project, RECIPE)
    with project.database.read() as session:
        copies = {image.id: image for image in session.scalars(select(Image).where(Image.origin == Origin.ALTERED))}
        results = compute_pair_results(session, find_pair_list(session, "p"))
    same = [pair for pair in pairs if pair.truth is PairTruth.SAME]
    assert len(copies) == 3
    for pair in same:
        sides = {pair.first_image_id, pair.second_image_id}
        copy = copies[(sides & copies.keys()).pop()]
        assert copy.altered_from_id in sides
    assert results.copies == 3
    assert "moved copy" in results.caveat
    listed(project, RECIPE.model_copy(update={"name": "again"}))
    with project.database.read() as session:
        assert len(session.scalars(select(Image).where(Image.origin == Origin.ALTERED)).all()) == 3


@pytest.mark.slow
def test_the_same_seed_makes_the_same_list(suspected: Project) -> None:
    first = listed(suspected)
    second = listed(suspected, RECIPE.model_copy(update={"name": "q"}))
    assert [(pair.first_image_id, pair.second_image_id) for pair in first] == [
        (pair.first_image_id, pair.second_image_id) for pair in second
    ]
    assert not {pair.key for pair in first} & {pair.key for pair in second}


@pytest.mark.slow
def test_what_cannot_be_made_is_refused_with_the_numbers_there_are(suspected: Project) -> None:
    with pytest.raises(BadInput, match="there are 3 and 9"):
        listed(suspected, RECIPE.model_copy(update={"different": 300}))
    listed(suspected)
    with pytest.raises(Conflict, match="exists already"):
        listed(suspected)
    with suspected.database.read() as session:
        assert len(session.scalars(select(PairList)).all()) == 1


def test_without_suspects_there_is_no_list(project: Project) -> None:
    with project.database.write() as session:
        add_training(project, session, subjects=4, images_each=2)
    with pytest.raises(BadInput, match="nothing to judge"):
        listed(project)


def test_nothing_that_is_sent_says_what_a_pair_is(suspected: Project) -> None:
    made = listed(suspected)
    with suspected.database.read() as session:
        sent = find_next_pairs(session, 1, made[0].pair_list_id, 100)
    assert [pair.key for pair in sent] == [pair.key for pair in made]
    assert {(pair.first, pair.second) for pair in sent} == {((16, 16, 1, 8), (16, 16, 1, 8))}


def test_a_judgement_is_recorded_once_and_in_the_chain(suspected: Project) -> None:
    first, *rest = listed(suspected)
    answer = judge(suspected, first.key)
    with suspected.database.write() as session:
        record_judgement(session, suspected.chain, NOW + timedelta(seconds=1), 1, answer)
        assert len(session.scalars(select(PairReading)).all()) == 1
        assert len(session.scalars(select(Event).where(Event.kind == "pair.judged")).all()) == 1
        assert [pair.done for pair in list_open_pair_lists(session, 1)] == [1]
        assert find_next_pairs(session, 1, first.pair_list_id, 1)[0].key == rest[0].key


@pytest.mark.slow
def test_a_pair_is_judged_once_until_it_is_taken_back(suspected: Project) -> None:
    first = listed(suspected)[0]
    answer = judge(suspected, first.key)
    with pytest.raises(Conflict, match="judged already"):
        judge(suspected, first.key, verdict=PairVerdict.DIFFERENT)
    with pytest.raises(Conflict, match="take back"):
        judge(suspected, first.key, verdict=None, voids_op_id=new_op_id())
    judge(suspected, first.key, verdict=None, voids_op_id=answer.op_id)
    with suspected.database.read() as session:
        assert find_next_pairs(session, 1, first.pair_list_id, 1)[0].key == first.key
    judge(suspected, first.key, verdict=PairVerdict.UNSURE)
    with pytest.raises(Conflict, match="another judgement"):
        judge(suspected, listed(suspected, RECIPE.model_copy(update={"name": "q"}))[0].key, op_id=answer.op_id)


@pytest.mark.slow
def test_a_closed_list_takes_and_shows_nothing_more(suspected: Project) -> None:
    first = listed(suspected)[0]
    with suspected.database.write() as session:
        close_pair_list(session, suspected.chain, NOW, "p")
    with pytest.raises(Conflict, match="closed"):
        judge(suspected, first.key)
    with suspected.database.read() as session:
        assert find_next_pairs(session, 1, first.pair_list_id, 9) == []
        with pytest.raises(NotFound):
            find_pair_image(session, first.key, "first")


@pytest.mark.parametrize(
    "change",
    [{"verdict": None}, {"voids_op_id": "0" * 32}, {"op_id": "x"}, {"elapsed_ms": -1}, {"read_at": "2026-01-01"}],
)
def test_a_malformed_judgement_is_refused(change: dict[str, object]) -> None:
    values = {"op_id": "1" * 32, "key": "2" * 32, "verdict": "same", "read_at": NOW.isoformat()}
    Judgement.model_validate(values)
    with pytest.raises(ValidationError):
        Judgement.model_validate(values | change)


@pytest.mark.slow
def test_results_hold_each_judge_against_pairs_of_known_truth(suspected: Project) -> None:
    recipe = RECIPE.model_copy(update={"same": 10, "different": 8})
    for pair in listed(suspected, recipe):
        right = {PairTruth.SAME: PairVerdict.SAME, PairTruth.DIFFERENT: PairVerdict.DIFFERENT}
        judge(suspected, pair.key, verdict=right.get(pair.truth, PairVerdict.SAME))
    with suspected.database.read() as session:
        results = compute_pair_results(session, find_pair_list(session, "p"))
        synthetic = set(session.scalars(select(Image.id).where(Image.origin == Origin.SYNTHETIC)))
    (judge_result,) = results.judges
    assert (judge_result.kind, judge_result.judged, judge_result.same_found.value, judge_result.same_found.n) == (
        ReaderKind.HUMAN,
        22,
        1.0,
        10,
    )
    assert judge_result.different_called_same.how == "too few: 8 of 10 needed"
    assert len(results.called_same) == 4
    assert set(results.called_same) <= synthetic
    assert "unblocks" in results.caveat


def test_unknown_subjects_are_said_so(project: Project) -> None:
    with project.database.write() as session:
        images = add_training(project, session, subjects=12, images_each=1, known=False)
        add_suspects(project, session, images[:2], blocked=1)
    listed(project)
    with project.database.read() as session:
        results = compute_pair_results(session, find_pair_list(session, "p"))
    assert "may show one" in results.caveat
    assert "Not yet judged" in results.caveat


@pytest.mark.slow
def test_a_withdrawn_image_is_shown_in_no_pair(suspected: Project) -> None:
    first = listed(suspected)[0]
    with suspected.database.write() as session:
        session.get_one(Image, first.second_image_id).withdrawn_at = NOW
    with suspected.database.read() as session:
        assert first.key not in {pair.key for pair in find_next_pairs(session, 1, first.pair_list_id, 100)}
        with pytest.raises(NotFound):
            find_pair_image(session, first.key, "second")


@pytest.mark.slow
def test_a_list_is_done_without_the_pairs_of_a_withdrawn_image(suspected: Project) -> None:
    first, *rest = listed(suspected)
    with suspected.database.write() as session:
        session.get_one(Image, first.second_image_id).withdrawn_at = NOW
        hidden = session.scalars(
            select(Pair.id).where(
                (Pair.first_image_id == first.second_image_id) | (Pair.second_image_id == first.second_image_id)
            )
        ).all()
        before = list_open_pair_lists(session, 1)[0]
        assert (before.done, before.total) == (0, 1 + len(rest) - len(hidden))
    judgement = judge(suspected, rest[-1].key)
    with suspected.database.write() as session:
        record_judgement(session, suspected.chain, NOW, 1, judgement)
        session.get_one(Image, rest[-1].second_image_id).withdrawn_at = NOW
        after = list_open_pair_lists(session, 1)[0]
        assert after.done == 1  # what was judged before stays counted, on both sides
        assert after.total - after.done == len(find_next_pairs(session, 1, first.pair_list_id, 1000))
