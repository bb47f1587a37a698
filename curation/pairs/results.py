"""Results of a list of pairs: each judge on pairs of known truth, and the verdicts on suspects."""

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.estimates import Estimate, proportion
from curation.pairs.judging import judgement_stands
from curation.tables.images import Image, Origin, Subject
from curation.tables.pairs import Pair, PairList, PairReading, PairTruth, PairVerdict
from curation.tables.people import Reader, ReaderKind
from curation.withdrawal.affected_results import WithdrawnSubjects, pair_lists_on, withdrawn_subjects_note

FEWEST = 10


@dataclass(frozen=True, slots=True)
class JudgeResult:
    """How often a judge called pairs of one subject, of two subjects, and suspects the same; unsure is not same."""

    reader: str
    kind: ReaderKind
    judged: int
    same_found: Estimate
    different_called_same: Estimate
    suspects_called_same: Estimate


@dataclass(frozen=True, slots=True)
class PairResults:
    """The results of a list; `called_same` are the suspects that any person called the same as a real image."""

    name: str
    total: int
    suspects: int
    copies: int  # of the pairs of one subject, those that are an image and a moved copy of it
    subjects_known: bool
    closed: bool
    judges: list[JudgeResult]
    called_same: list[int]
    withdrawn: int  # subjects among them, or behind their generators, that were withdrawn since

    @property
    def caveat(self) -> str:
        """What must stand beside these numbers."""
        notes = []
        if self.copies:
            notes.append(f"{self.copies} of the pairs of one subject are an image and a moved copy of it.")
        if self.withdrawn:
            notes.append(
                f"AFFECTED: it {withdrawn_subjects_note(self.withdrawn)}; what shows them is not handed out any more."
            )
        if not self.subjects_known:
            notes.append("Subjects are not published here: a pair held to be of two may show one.")
        people = [judge for judge in self.judges if judge.kind is ReaderKind.HUMAN]
        notes.append("No reading unblocks an image." if people else "Not yet judged by a person.")
        return " ".join(notes)


def compute_pair_results(session: Session, listed: PairList) -> PairResults:
    """Compute the results of a list from the judgements that stand."""
    pairs = {pair.id: pair for pair in session.scalars(select(Pair).where(Pair.pair_list_id == listed.id))}
    judgements: dict[tuple[str, ReaderKind], list[tuple[Pair, PairVerdict]]] = defaultdict(list)
    rows = session.execute(
        select(Reader.name, Reader.kind, PairReading.pair_id, PairReading.verdict)
        .join(Reader, Reader.id == PairReading.reader_id)
        .join(Pair, Pair.id == PairReading.pair_id)
        .where(Pair.pair_list_id == listed.id, judgement_stands())
        .order_by(Reader.name)
    )
    for name, kind, pair_id, verdict in rows:
        if verdict is not None:
            judgements[name, kind].append((pairs[pair_id], verdict))
    origins = dict(session.execute(select(Image.id, Image.origin).where(Image.id.in_(_image_ids(pairs)))).all())
    called = {
        _synthetic_image(pair, origins)
        for (_, kind), verdicts in judgements.items()
        for pair, verdict in verdicts
        if kind is ReaderKind.HUMAN and pair.truth is PairTruth.SUSPECT and verdict is PairVerdict.SAME
    }
    known = select(Subject.known).join(Image, Image.subject_id == Subject.id).where(Image.id.in_(_image_ids(pairs)))
    return PairResults(
        name=listed.name,
        total=listed.size,
        suspects=sum(pair.truth is PairTruth.SUSPECT for pair in pairs.values()),
        copies=sum(
            Origin.ALTERED in (origins[pair.first_image_id], origins[pair.second_image_id]) for pair in pairs.values()
        ),
        subjects_known=all(session.scalars(known)),
        closed=listed.closed_at is not None,
        judges=[_judge_result(name, kind, verdicts) for (name, kind), verdicts in judgements.items()],
        called_same=sorted(called),
        withdrawn=pair_lists_on(session, WithdrawnSubjects.recorded()).get(listed.id, 0),
    )


def _judge_result(name: str, kind: ReaderKind, verdicts: list[tuple[Pair, PairVerdict]]) -> JudgeResult:
    def called_same(truth: PairTruth) -> Estimate:
        of_truth = [verdict for pair, verdict in verdicts if pair.truth is truth]
        return proportion(sum(verdict is PairVerdict.SAME for verdict in of_truth), len(of_truth), FEWEST)

    shares = [called_same(truth) for truth in (PairTruth.SAME, PairTruth.DIFFERENT, PairTruth.SUSPECT)]
    return JudgeResult(name, kind, len(verdicts), *shares)


def _image_ids(pairs: dict[int, Pair]) -> set[int]:
    return {image_id for pair in pairs.values() for image_id in (pair.first_image_id, pair.second_image_id)}


def _synthetic_image(pair: Pair, origins: dict[int, Origin]) -> int:
    return pair.first_image_id if origins[pair.first_image_id] is Origin.SYNTHETIC else pair.second_image_id
