"""The items of CLAIM (2024 update) and TRIPOD+AI by number, in our words.

Numbers, order and meaning were compared with published copies of both lists; docs/exports.md says which.
"""

from curation.exports.release.checklist import Checklist, listed, numbered

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
        ("partitions", ("How data were divided", "At which level the parts are disjoint")),
        ("testing data", ("How many were intended, and why",)),
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
    "Collins GS, Moons KGM, Dhiman P, et al., TRIPOD+AI statement: updated guidance for reporting clinical prediction "
    "models that use regression or machine learning methods, BMJ 385:e078378 (2024), doi:10.1136/bmj-2023-078378. "
    "Abstracts have a checklist of their own there.",
    listed(
        ("1", "title", "Say that a prediction model is made or tested, for whom, and what it predicts"),
        ("2", "abstract", "Follow the statement's checklist for abstracts"),
        ("3a", "introduction", "Clinical context, why a model, which models there are"),
        ("3b", "introduction", "Who it is meant for, where in the care of a patient, and who uses it"),
        ("3c", "introduction", "Known inequalities of health between groups"),
        ("4", "introduction", "Objectives: is a model made, tested, or both"),
        ("5a", "methods, data", "Sources of data for making and for testing, why these, whom they represent"),
        ("5b", "methods, data", "Dates: first and last participant, end of follow-up"),
        ("6a", "methods, participants", "Setting, number and place of centres"),
        ("6b", "methods, participants", "Who was eligible"),
        ("6c", "methods, participants", "Treatments given, and how the analysis took account of them"),
        ("7", "methods, data", "How data were prepared and checked, and whether alike in all groups"),
        ("8a", "methods, outcome", "The outcome, when and how it was found, why this one, whether alike in all groups"),
        ("8b", "methods, outcome", "Where it takes judgement: who judged, with what training"),
        ("8c", "methods, outcome", "What was done to keep the judges blind"),
        ("9a", "methods, predictors", "How the first predictors were chosen (making only)"),
        ("9b", "methods, predictors", "Each predictor, when and how measured, and what was kept blind"),
        ("9c", "methods, predictors", "Where measuring takes judgement: who judged, with what training"),
        ("10", "methods, sample size", "How the size came about, for making and testing, and whether it is enough"),
        ("11", "methods, missing data", "What was done about gaps, and why anything was left out"),
        ("12a", "methods, analysis", "How data were used and divided (making only)"),
        ("12b", "methods, analysis", "How predictors entered: shape, scaling, transformation (making only)"),
        ("12c", "methods, analysis", "Kind of model, why, every step of making it, internal validation (making only)"),
        ("12d", "methods, analysis", "How differences between clusters, such as hospitals, were handled and measured"),
        ("12e", "methods, analysis", "Measures and plots of performance, why these, and how models were compared"),
        ("12f", "methods, analysis", "Whether the model was updated after a test (testing only)"),
        ("12g", "methods, analysis", "How predictions were computed (testing only)"),
        ("13", "methods, class imbalance", "If classes were balanced: why, how, and how the model was recalibrated"),
        ("14", "methods, fairness", "What was done for fairness, and why"),
        ("15", "methods, output", "What the model puts out, and where thresholds come from (making only)"),
        ("16", "methods, training and test", "How data for making and testing differ"),
        ("17", "methods, ethics", "Which committee approved, and consent or its waiver"),
        ("18a", "open science", "Who paid, and their part in the study"),
        ("18b", "open science", "Conflicts of interest of every author"),
        ("18c", "open science", "Where the protocol is, or that there is none"),
        ("18d", "open science", "Register and number, or that it was not registered"),
        ("18e", "open science", "Where the data are"),
        ("18f", "open science", "Where the code of the analysis is"),
        ("19", "involvement", "How patients and the public took part, or that they did not"),
        ("20a", "results, participants", "How participants went through the study, with and without the outcome"),
        (
            "20b",
            "results, participants",
            "Who they are, by source: dates, predictors, treatments, events, gaps, groups",
        ),
        ("20c", "results, participants", "How they compare with those the model was made on (testing only)"),
        ("21", "results, development", "How many participants and outcomes are in each analysis"),
        ("22", "results, specification", "The model in full, and what limits its use (making only)"),
        ("23a", "results, performance", "Performance with intervals, also in groups"),
        ("23b", "results, performance", "How performance differs between clusters, if looked at"),
        ("24", "results, updating", "The updated model and its performance (testing only)"),
        ("25", "discussion", "What the results mean, fairness included, beside aims and earlier studies"),
        ("26", "discussion", "Limitations, and what they do to bias, uncertainty and reach"),
        ("27a", "discussion, use", "What to do with poor or missing input (making only)"),
        (
            "27b",
            "discussion, use",
            "Whether users must act on input or model, and how expert they must be (making only)",
        ),
        ("27c", "discussion, use", "Next steps, with a view to where the model applies"),
    ),
)
