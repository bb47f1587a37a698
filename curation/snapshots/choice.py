"""Choose the images of a recipe from the pool, by pixels and seed alone, never by the order of rows.

Images are taken in the order of a hash of (seed, pixel digest). What the recipe asks for and the
project lacks is kept in `pool.refusals`: a build raises the first refusal, a preview shows all.
"""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from curation.errors import Conflict
from curation.snapshots.caps import cap
from curation.snapshots.gather import counted_worklists, gather
from curation.snapshots.mix import MixRecipe
from curation.snapshots.pool import Pool
from curation.snapshots.weighing import weigh

OTHER_CLASS = "a class the recipe leaves out"
# Rows of the folder in the order of its files; the last column counts pictures that are there more than once.
_FINAL = """
CREATE TABLE rows AS SELECT
    split, CASE WHEN repeat = 1 THEN file || '.png' ELSE file || '-' || (repeat - 1) || '.png' END AS file_name,
    label, subject, origin, weight, pixel, file, why, batch_id, batch_index, image, copy, caption
FROM (
    SELECT chosen.*, images.pixel, images.file, images.subject, images.origin, images.batch_id, images.batch_index,
        images.caption,
        ROW_NUMBER() OVER (
            PARTITION BY chosen.split, images.file
            ORDER BY COALESCE(images.subject, ''), chosen.label, images.tie, chosen.copy
        ) AS repeat
    FROM chosen JOIN images ON images.id = chosen.image
) ORDER BY split, file_name
"""
_CHOSEN = """
CREATE TABLE chosen AS
SELECT train.id AS image, 0 AS copy, 'train' AS split, train.label AS label, 'real, train subject' AS why,
    1.0 AS weight FROM train
UNION ALL SELECT image, copy, 'train', label, why, 1.0 FROM extra
UNION ALL SELECT id, 0, split, label, 'real, ' || split || ' subject', 1.0 FROM images
WHERE origin = 'real' AND split IN ('validation', 'test')
"""
_CONFLICTS = """
SELECT a.worklist, r.worklist, COUNT(*) FROM outcomes a JOIN outcomes r ON a.image = r.image
WHERE a.verdict = 'approved' AND r.verdict = 'rejected' GROUP BY 1, 2 ORDER BY 1, 2
"""
_TWO_CLASSES = """
SELECT a.worklist, b.worklist, COUNT(*) FROM outcomes a JOIN outcomes b ON a.image = b.image
WHERE a.verdict = 'approved' AND b.verdict = 'approved' AND a.worklist < b.worklist
    AND COALESCE(a.label, '') != COALESCE(b.label, '') GROUP BY 1, 2 ORDER BY 1, 2
"""


def choose(session: Session, pool: Pool, recipe: MixRecipe) -> None:
    """Fill `pool` from the database and put what the recipe takes into its table `rows`, in the order of the files."""
    gather(session, pool, recipe)
    pool.execute("INSERT INTO train SELECT id, label, position, tie FROM images WHERE origin='real' AND split='train'")
    if recipe.real_per_class is not None:
        _keep_per_class(pool, recipe.real_per_class)
    if not pool.value("SELECT EXISTS (SELECT 1 FROM train)"):
        pool.refuse("no real training image to take. Import some first: `rounds import --help`.")
    if recipe.needs_outcomes:
        names = {worklist.id: worklist.name for worklist in counted_worklists(session, recipe.worklists)}
        _refuse_conflicts(pool, recipe, names)
        _approve(pool, recipe)
    if recipe.synthetic == "approved":
        for key, name in names.items():
            pool.execute(_ADD + "SELECT a.image, 0, a.label, ?, " + _OF_APPROVED, f"approved in {name}"[:200], key)
    elif recipe.synthetic != "none":
        _add_synthetic(pool, recipe)
    if recipe.extra_real != "none":
        _add_real(pool, recipe)
    cap(pool, recipe)
    pool.execute(_CHOSEN)
    weigh(pool, recipe)
    pool.execute(_FINAL)


# Images that no outcome admits, by what stands against them.
_NOT_APPROVED = """
SELECT CASE WHEN verdicts IS NULL THEN 'synthetic: no outcome yet'
    WHEN verdicts LIKE '%rejected%' THEN 'synthetic: rejected' ELSE 'synthetic: unresolved' END, COUNT(*)
FROM images LEFT JOIN (SELECT image, GROUP_CONCAT(verdict) AS verdicts FROM outcomes GROUP BY image) ON image = id
WHERE origin = 'synthetic' AND (verdicts IS NULL OR verdicts NOT LIKE '%approved%') GROUP BY 1
"""
_ADD = "INSERT INTO extra (image, copy, label, why, generator_id, position, tie) "
_OF_APPROVED = "i.generator_id, i.position, i.tie FROM approved a JOIN images i ON i.id = a.image WHERE a.worklist = ?"


def _keep_per_class(pool: Pool, count: int) -> None:
    pool.drop(
        "DELETE FROM train WHERE id IN (SELECT id FROM (SELECT id, ROW_NUMBER() OVER"
        " (PARTITION BY label ORDER BY position, tie) AS place FROM train) WHERE place > ?)",
        "real: more of a class than the recipe keeps",
        count,
    )


def _refuse_conflicts(pool: Pool, recipe: MixRecipe, names: dict[int, str]) -> None:
    """Refuse images that one worklist approves and another rejects, or approves as another class."""
    conflicts = [f"{n} approved in {names[a]!r}, rejected in {names[r]!r}" for a, r, n in pool.rows(_CONFLICTS)]
    if recipe.corrected_labels:
        two = pool.rows(_TWO_CLASSES)
        conflicts += [f"{n} of one class in {names[a]!r}, of another in {names[b]!r}" for a, b, n in two]
    if conflicts:
        contradictions = f"outcomes contradict each other: {'; '.join(conflicts)}"
        pool.refusals.append(Conflict(f"{contradictions}. Name the worklists that count: --worklist."))


def _approve(pool: Pool, recipe: MixRecipe) -> None:
    """Fill `approved` with the images that counting outcomes admit, their label and the newest such worklist."""
    if recipe.synthetic == "approved":
        pool.left_out.update(dict(pool.rows(_NOT_APPROVED)))
    if recipe.min_agreement is not None:
        approved = "DELETE FROM outcomes WHERE verdict = 'approved' AND image IN (SELECT id FROM images)"
        pool.drop(f"{approved} AND n < 2", "synthetic: approved by one reading, agreement needs two")
        less = "synthetic: approved with less agreement than asked for"
        pool.drop(f"{approved} AND CAST(agreeing AS REAL) / n < ?", less, recipe.min_agreement)
    label = "COALESCE(NULLIF(o.label, ''), i.label)" if recipe.corrected_labels else "i.label"
    pool.execute(
        f"INSERT OR REPLACE INTO approved SELECT o.image, {label}, o.worklist, o.readings, COALESCE(o.label, '') != ''"
        " FROM outcomes o JOIN images i ON i.id = o.image WHERE o.verdict = 'approved' AND i.origin = 'synthetic'"
        " ORDER BY o.worklist"
    )
    _keep_classes(pool, "approved", recipe.classes)
    if not pool.value("SELECT EXISTS (SELECT 1 FROM approved)"):
        pool.refuse(
            "no candidate that the recipe admits is approved yet. Read a worklist first (`rounds review`), or"
            " choose another --synthetic. `rounds snapshot preview` says what was left out, and why."
        )


def _keep_classes(pool: Pool, table: str, classes: Sequence[str]) -> None:
    if classes:
        placeholders = ", ".join("?" * len(classes))
        pool.drop(f"DELETE FROM {table} WHERE label NOT IN ({placeholders})", f"synthetic: {OTHER_CLASS}", *classes)


def _add_synthetic(pool: Pool, recipe: MixRecipe) -> None:
    """Add every synthetic image, or as many of each class as were approved, in the order of the hash."""
    drawn = "SELECT id, 0, label, ?, generator_id, position, tie FROM images WHERE origin = 'synthetic'"
    if recipe.synthetic == "raw":
        pool.execute(_ADD + drawn, "synthetic, as drawn")
        _keep_classes(pool, "extra", recipe.classes)
    else:
        _take(pool, drawn, "synthetic, drawn at random to the approved counts")


def _add_real(pool: Pool, recipe: MixRecipe) -> None:
    """Add as many real images as were approved: of reserve subjects, or training images again."""
    if recipe.extra_real == "reserve":
        reserve = "SELECT id, 0, label, ?, NULL, position, tie FROM images WHERE origin = 'real' AND split = 'reserve'"
        _take(pool, reserve, "real, reserve subject")
        return
    real_counts = dict(pool.rows("SELECT label, COUNT(*) FROM train GROUP BY label"))
    for label, count in _approved_counts(pool).items():
        if label not in real_counts:
            pool.refuse(f"no real training image of class {label!r} to repeat. Import some, or leave --extra-real out.")
            continue
        for copy in range(1, 1 + -(-count // real_counts[label])):
            pool.execute(
                _ADD + "SELECT id, ?, label, 'real, repeated', NULL, position, tie FROM train WHERE label = ?"
                " ORDER BY position, tie LIMIT ?",
                copy, label, count - (copy - 1) * real_counts[label],
            )  # fmt: skip


def _approved_counts(pool: Pool) -> dict[str, int]:
    return dict(pool.rows("SELECT label, COUNT(*) FROM approved GROUP BY label ORDER BY label"))


def _take(pool: Pool, source: str, why: str) -> None:
    """Add the approved count of each class from `source`, in the order of the hash; too few are a refusal."""
    short = []
    for label, count in _approved_counts(pool).items():
        taken = pool.execute(f"{_ADD}{source} AND label = ? ORDER BY position, tie LIMIT ?", why, label, count)
        if taken < count:
            short.append(f"{label}: {count} wanted, {taken} there")
    if short:
        pool.refuse(
            f"not enough images ({why}): {', '.join(short)}. Draw or import more, or lower the counts with --max-ratio."
        )
