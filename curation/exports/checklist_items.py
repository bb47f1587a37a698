"""CLAIM (2024 update) and TRIPOD+AI: their items by number, worded by us."""

from curation.exports.checklist import Checklist, numbered

CLAIM = Checklist(
    "CLAIM, 2024 update",
    "Tejani AS, Klontzas ME, Gatti AA, et al., Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 "
    "Update, Radiology: Artificial Intelligence 6(4):e240300 (2024), doi:10.1148/ryai.240300.",
    numbered(
        ("title and abstract", ("Name the kind of AI in the title or abstract", "Give a structured abstract")),
        ("introduction", ("Say what clinical need and role there is", "State aims and hypotheses")),
        ("study design", ("Prospective or retrospective", "What the study is for: making, exploring, testing a model")),
        (
            "data",
            (
                "Where data came from",
                "Who and what was taken in or left out",
                "What was done to images before use",
                "Which subsets were used and how they were chosen",
                "How identity was removed",
                "How gaps in the data were handled",
                "How images were acquired",
            ),
        ),
        (
            "reference standard",
            (
                "How the reference standard was obtained",
                "Why this one",
                "Who gave it and with what experience",
                "How the test set was annotated",
                "How far raters vary, between and within",
            ),
        ),
        ("partitions", ("How data were divided", "At which level the parts are disjoint", "How many were intended")),
        (
            "model",
            ("The model in enough detail to build it", "Software and versions", "How parameters were initialised"),
        ),
        ("training", ("How it was trained", "How the final model was chosen", "Whether models were combined")),
        (
            "evaluation",
            (
                "Measures of performance",
                "Uncertainty and significance",
                "Robustness and sensitivity",
                "How its output is explained",
                "Evaluation on internal data",
                "Testing on external data",
                "Registration of a trial",
            ),
        ),
        ("results, data", ("How many were taken in and left out", "Who they are, in each part of the data")),
        ("results, model", ("Performance with uncertainty", "Diagnostic accuracy with precision", "What went wrong")),
        ("discussion", ("Limitations", "What it means for practice")),
        ("other", ("Where the protocol is", "Where software, model and data are", "Who paid")),
    ),
)

TRIPOD_AI = Checklist(
    "TRIPOD+AI",
    "Collins GS, Moons KGM, Dhiman P, et al., TRIPOD+AI statement, BMJ 385:e078378 (2024), "
    "doi:10.1136/bmj-2023-078378. Main items only; the statement divides several of them further.",
    numbered(
        (
            "title and abstract",
            ("Say that a prediction model is made or tested, of what, for whom", "Give an abstract"),
        ),
        ("introduction", ("Clinical context, target population, known inequalities", "State objectives")),
        (
            "methods",
            (
                "Sources of data and dates",
                "Participants, setting, eligibility",
                "How data were prepared, alike in all groups",
                "The outcome, who judged it, and whether blind",
                "Predictors",
                "Sample size",
                "Missing data",
                "Analysis: how data were used, model, measures of performance",
                "Imbalance of classes",
                "Fairness",
                "What the model puts out",
                "How data for training and for evaluation differ",
                "Ethics approval",
            ),
        ),
        ("open science", ("Funding, conflicts, protocol, registration, data, code",)),
        ("involvement", ("How patients and the public took part",)),
        (
            "results",
            (
                "Participants: flow and characteristics",
                "Numbers in each analysis",
                "The model in full",
                "Performance with intervals, in groups",
                "Updating of the model",
            ),
        ),
        ("discussion", ("Interpretation", "Limitations", "Use in practice")),
    ),
)
