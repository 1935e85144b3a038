"""CLAIM, the 2024 update: 44 items for AI in medical imaging."""

from __future__ import annotations

from app.reporting.checklist import Checklist, Item

CLAIM_2024 = Checklist(
    "claim_2024",
    "CLAIM 2024",
    "Tejani, Klontzas, Gatti, Mongan, Moy, Park and Kahn, Checklist for Artificial Intelligence in Medical Imaging "
    "(CLAIM): 2024 Update, Radiology: Artificial Intelligence 6(4), 2024, e240300 (copyright RSNA).",
    {
        "Title, abstract and introduction": (
            Item("1", "Title or abstract names the kind of AI", ("method",), "the same in your title or abstract."),
            Item("2", "Structured abstract"),
            Item("3", "Background; intended use and clinical role"),
            Item("4", "Aims, objectives and hypotheses"),
        ),
        "Methods: design and data": (
            Item("5", "Prospective or retrospective"),
            Item("6", "Goal of the study"),
            Item("7", "Where the data come from", ("data",), "sites, dates, links and terms of use."),
            Item(
                "8",
                "Inclusion and exclusion",
                ("eligibility",),
                "criteria before the tables, and how cases were found.",
            ),
            Item("9", "Preprocessing", ("preprocessing",)),
            Item("10", "How subsets of the data were chosen", ("eligibility",), "subsets chosen before the tables."),
            Item("11", "De-identification", ("pseudonyms",), "what was done before the data reached this software."),
            Item("12", "How missing data were handled", ("missing",)),
            Item("13", "How images were acquired", ("views",), "devices and protocols."),
        ),
        "Methods: reference standard": (
            Item("14", "How the reference standard was obtained", ("labels",), "definitions that others can repeat."),
            Item("15", "Why this reference standard"),
            Item("16", "Who annotated", ("labels",), "their qualifications and instructions."),
            Item("17", "How the test set was annotated", ("annotation",), "tools and procedure."),
            Item("18", "Agreement within and between readers", ("agreement",), "how disagreement was resolved."),
        ),
        "Methods: partitions and testing data": (
            Item("19", "How cases were assigned to partitions", ("split", "sizes")),
            Item("20", "Level at which partitions are disjoint", ("disjoint",)),
            Item("21", "Intended size of the test set", ("test_size",), "how it was determined."),
        ),
        "Methods: model and training": (
            Item("22", "Model in full", ("method", "network"), "the architecture, beyond names and settings."),
            Item("23", "Software with versions", ("software",)),
            Item("24", "How parameters were initialised", ("start",)),
            Item("25", "Training: augmentation, hyperparameters, course", ("training",)),
            Item("26", "How the final model was chosen", ("selection",)),
            Item("27", "Ensembles", ("ensemble",)),
        ),
        "Methods: evaluation": (
            Item("28", "Metrics of performance", ("measures",), "why these."),
            Item("29", "Uncertainty and significance", ("intervals",)),
            Item("30", "Robustness or sensitivity", ("subgroups",), "other analyses of robustness."),
            Item("31", "Explainability, and its validation", ("maps",)),
            Item("32", "Testing on internal data", ("internal",)),
            Item("33", "Testing on external data, or why not", ("external",), "how these data differ."),
            Item("34", "Registration of a clinical trial"),
        ),
        "Results": (
            Item("35", "Cases included and excluded, with a diagram", ("flow",)),
            Item("36", "Who the patients are, in each partition", ("patients",), "clinical characteristics."),
            Item("37", "Performance with uncertainty, by partition and subgroup", ("performance", "subgroups")),
            Item("38", "Diagnostic performance and its precision", ("operating",)),
            Item("39", "Analysis of failures", ("failures",), "what the wrongly classified cases have in common."),
        ),
        "Discussion and other information": (
            Item("40", "Limitations", ("warnings",), "all others."),
            Item("41", "Implications for practice"),
            Item("42", "Where the protocol and technical details are", ("details",), "the study's protocol."),
            Item("43", "Availability of software, model and data", ("code",), "where model and data can be had."),
            Item("44", "Funding, and the role of funders"),
        ),
    },
)
