"""TRIPOD+AI, 2024: 27 items for prediction models, diagnostic or prognostic."""

from __future__ import annotations

from app.reporting.checklist import Checklist, Item

TRIPOD_AI = Checklist(
    "tripod_ai",
    "TRIPOD+AI",
    "Collins et al., TRIPOD+AI statement: updated guidance for reporting clinical prediction models that use "
    "regression or machine learning methods, BMJ 385, 2024, e078378 (CC BY 4.0). D: development, E: evaluation.",
    {
        "Title, abstract and introduction": (
            Item("1", "Title says development or evaluation, population and outcome", ("outcome",), "the title."),
            Item("2", "Abstract, by TRIPOD+AI for Abstracts"),
            Item("3a", "Healthcare context, rationale, existing models"),
            Item("3b", "Target population, purpose, users"),
            Item("3c", "Known health inequalities"),
            Item("4", "Objectives: development, evaluation or both", ("workflow",), "the objectives."),
        ),
        "Methods: data": (
            Item("5a", "Sources of data, why these, how representative", ("data",), "rationale, representativeness."),
            Item("5b", "Dates of the data"),
            Item("6a", "Setting; number and place of centres"),
            Item("6b", "Eligibility", ("eligibility",), "criteria before the tables."),
            Item("6c", "Treatments, and how they were handled", ("treatment",), "treatments beside those."),
            Item("7", "Preprocessing and quality checks, alike across groups?", ("preprocessing",), "alike or not."),
            Item(
                "8a", "Outcome, how and when it was assessed", ("outcome", "labels"), "rationale, timing, consistency."
            ),
            Item("8b", "Who assessed it, where that is subjective"),
            Item("8c", "Blinding of its assessment"),
            Item("9a", "D: choice of predictors", ("inputs",)),
            Item("9b", "Predictors: what, how and when measured", ("inputs", "views"), "how images were acquired."),
            Item("9c", "Who assessed predictors, where that is subjective", ("inputs",)),
            Item("10", "Sample size, and why it suffices", ("sizes",), "how it was determined, and why it suffices."),
            Item("11", "Missing and omitted data", ("missing",)),
        ),
        "Methods: analysis": (
            Item("12a", "D: how data were used and partitioned", ("split", "disjoint", "sizes")),
            Item("12b", "D: how predictors were handled", ("preprocessing",)),
            Item(
                "12c", "D: type of model, building, tuning, internal validation", ("network", "training", "selection")
            ),
            Item("12d", "Differences between clusters, such as hospitals", ("sources",), "an analysis by cluster."),
            Item("12e", "Measures and plots of performance", ("measures", "intervals"), "why these."),
            Item("12f", "E: updating, such as recalibration", ("recalibration",)),
            Item("12g", "E: how predictions were calculated", ("method", "software")),
            Item("13", "Class imbalance, and recalibration after it", ("imbalance",)),
            Item("14", "Approaches to fairness"),
            Item("15", "D: output, and how thresholds were identified", ("thresholds",), "why this output."),
            Item("16", "Differences between development and evaluation data", ("external",), "in what they differ."),
            Item("17", "Ethical approval and consent"),
        ),
        "Open science, and involvement of patients and public": (
            Item("18a", "Funding"),
            Item("18b", "Conflicts of interest"),
            Item("18c", "Protocol"),
            Item("18d", "Registration"),
            Item("18e", "Availability of data"),
            Item("18f", "Availability of code", ("code",), "the analytical code beside it."),
            Item("19", "Involvement of patients and public"),
        ),
        "Results": (
            Item("20a", "Flow, with and without the outcome", ("flow",)),
            Item("20b", "Characteristics, by source or setting", ("patients",), "dates, treatments, clinical ones."),
            Item("20c", "E: comparison with the development data", ("patients",), "what the comparison shows."),
            Item("21", "Participants and events in each analysis", ("events",)),
            Item("22", "D: the model, so that others can use it", ("network", "code"), "where its weights can be had."),
            Item("23a", "Performance with intervals, also in subgroups", ("performance", "subgroups", "calibration")),
            Item("23b", "Differences between clusters", ("sources",), "results by cluster."),
            Item("24", "E: results of updating", ("recalibration",)),
        ),
        "Discussion": (
            Item("25", "Interpretation, with fairness", ("warnings",), "the interpretation."),
            Item("26", "Limitations", ("warnings",), "all others."),
            Item("27a", "D: how poor or missing input is handled", ("missing",), "input in use."),
            Item("27b", "D: what users do, and their expertise"),
            Item("27c", "Next steps"),
        ),
    },
)
