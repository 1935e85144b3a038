"""STARD-AI, 2025: 40 items for studies of diagnostic accuracy with AI."""

from __future__ import annotations

from app.reporting.checklist import Checklist, Item

STARD_AI = Checklist(
    "stard_ai",
    "STARD-AI",
    "Sounderajah et al., The STARD-AI reporting guideline for diagnostic accuracy studies using artificial "
    "intelligence, Nature Medicine 31, 2025, 3283-3289, table 2 (CC BY).",
    {
        "Title, abstract and introduction": (
            Item("1", "Title or abstract names AI and a measure of accuracy", ("method", "performance"), "them there."),
            Item("2", "Structured abstract"),
            Item("3", "Background; intended use, and place in the workflow"),
            Item("4", "Objectives and hypotheses"),
        ),
        "Methods: design and participants": (
            Item("5", "Prospective or retrospective"),
            Item("6", "Ethics approval, or why none was needed"),
            Item("7", "Criteria for participants and for data, in order", ("eligibility",), "those before the tables."),
            Item("8", "On what basis participants were identified"),
            Item("9", "Setting, location and dates"),
            Item("10", "Consecutive, random or convenience series"),
        ),
        "Methods: data set": (
            Item("11", "Source of the data, routine or not", ("data",), "whether they were collected for this study."),
            Item("12", "Who annotated, and how", ("labels", "annotation"), "experience and background of the readers."),
            Item("13", "Devices, and software with versions", ("software",), "devices that took the images."),
            Item("14", "Acquisition and preprocessing", ("views", "preprocessing"), "protocols of acquisition."),
        ),
        "Methods: tests": (
            Item(
                "15a", "Index test, so that others can repeat it", ("method", "network"), "the architecture in words."
            ),
            Item("15b", "How it was developed, with sample sizes", ("training", "split", "sizes")),
            Item("15c", "Cut-offs, and whether they were chosen beforehand", ("thresholds",), "why these cut-offs."),
            Item("15d", "Who uses it, and with what expertise"),
            Item("16a", "Reference standard", ("labels",), "definitions that others can repeat."),
            Item("16b", "Why this reference standard"),
            Item("16c", "Its cut-offs or categories", ("label_states",), "how readers or labellers decided."),
            Item("17a", "What was known to those who ran the index test", ("inputs",)),
            Item("17b", "What was known to those who set the reference standard"),
        ),
        "Methods: analysis": (
            Item("18", "How accuracy was estimated or compared", ("measures", "intervals")),
            Item("19", "Indeterminate results", ("indeterminate",)),
            Item("20", "Missing data", ("missing",)),
            Item("21", "Variability of accuracy, planned or exploratory", ("subgroups",), "which were planned."),
            Item("22", "Intended sample size", ("test_size",), "how it was determined."),
            Item("23", "Analysis of errors, bias and fairness", ("subgroups", "gaps"), "other assessments."),
        ),
        "Results": (
            Item("24", "Flow of participants, as a diagram", ("flow",)),
            Item("25", "Who they are, in training, validation and test", ("patients",), "clinical characteristics."),
            Item("26a", "Severity of disease in those who have it"),
            Item(
                "26b", "Other diagnoses in those who have it not", ("alternatives",), "diagnoses beside the findings."
            ),
            Item("27", "Time and treatment between index test and reference standard", ("treatment",), "times."),
            Item(
                "28", "Whether the data have the frequencies of the intended use", ("prevalence",), "the intended ones."
            ),
            Item("29", "How data of an external evaluation differ", ("external",), "in what they differ."),
            Item("30", "Index test against reference standard, cross-tabulated", ("crosstab",)),
            Item("31", "Accuracy with its precision", ("performance", "operating")),
            Item("32", "Adverse events"),
        ),
        "Discussion": (
            Item("33", "Limitations, bias, generalisability", ("warnings",), "all others."),
            Item("34", "Implications for practice"),
            Item("35", "Ethics and fairness"),
        ),
        "Other information": (
            Item("36", "Registration"),
            Item("37", "Where the protocol is", ("details",), "the study's protocol."),
            Item("38", "Funding, and the role of funders"),
            Item("39", "Commercial interests"),
            Item("40a", "Availability of data and code", ("code",), "data, and terms of reuse."),
            Item("40b", "Whether outputs are stored and can be audited", ("stored",)),
        ),
    },
)
