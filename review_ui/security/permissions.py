"""The capabilities of each role, checked by every route and every page."""

from enum import StrEnum

from curation.tables.people import Role


class Capability(StrEnum):
    """One thing that a role may do on routes and pages."""

    READ = "read"
    ADJUDICATE = "adjudicate"
    SEE_NEIGHBOURS = "see_neighbours"  # nearest real images, once a worklist is closed
    JUDGE_PAIRS = "judge_pairs"  # whether a synthetic image shows the same subject as a real one
    SEE_PAIRS = "see_pairs"  # counts of judgements
    SEE_RESULTS = "see_results"  # readings, performance and agreement of all readers
    SEE_LINEAGE = "see_lineage"  # the lineage of things
    SEE_SUBJECTS = "see_subjects"  # single subjects, by key
    MANAGE = "manage"  # worklists, batches, jobs
    ADMINISTER = "administer"  # accounts


_MANAGER = frozenset(
    {Capability.READ, Capability.SEE_RESULTS, Capability.SEE_PAIRS, Capability.SEE_LINEAGE, Capability.MANAGE}
)

CAPABILITIES: dict[Role, frozenset[Capability]] = {
    Role.READER: frozenset({Capability.READ}),
    Role.ADJUDICATOR: frozenset({Capability.READ, Capability.ADJUDICATE, Capability.SEE_NEIGHBOURS}),
    Role.PRIVACY: frozenset(
        {
            Capability.SEE_NEIGHBOURS,
            Capability.JUDGE_PAIRS,
            Capability.SEE_PAIRS,
            Capability.SEE_LINEAGE,
            Capability.SEE_SUBJECTS,
        }
    ),
    Role.CURATOR: _MANAGER,
    Role.ADMINISTRATOR: _MANAGER | {Capability.ADMINISTER, Capability.SEE_SUBJECTS},
}

# The page that a role opens on; the others are in the menu.
FIRST_TASK: dict[Role, str] = {
    Role.READER: "Read",
    Role.ADJUDICATOR: "Read",
    Role.PRIVACY: "Pairs",
    Role.CURATOR: "Overview",
    Role.ADMINISTRATOR: "Accounts",
}
