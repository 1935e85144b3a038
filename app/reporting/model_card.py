"""A model card, after Mitchell et al. 2019."""

from __future__ import annotations

from app.reporting.checklist import Checklist, Item

MODEL_CARD = Checklist(
    "model_card",
    "Model card",
    "Mitchell et al., Model Cards for Model Reporting, FAT* 2019, section 4 (sections 4.1 to 4.9).",
    {
        "Model details": (
            Item("4.1", "Kind of model", ("method", "network")),
            Item("4.1", "Version and date", ("version",)),
            Item("4.1", "Training: parameters, algorithms", ("training", "selection", "start")),
            Item("4.1", "Who developed it, licence, where to ask"),
        ),
        "Intended use": (
            Item("4.2", "Use and users it is meant for", ("outcome",), "for what use and users."),
            Item("4.2", "Uses out of scope"),
        ),
        "Factors": (
            Item("4.3", "Groups, instruments, surroundings that matter", ("subgroups", "views"), "those not recorded."),
        ),
        "Metrics": (
            Item("4.4", "Measures, and how uncertain they are", ("measures", "intervals"), "why these."),
            Item("4.4", "Thresholds", ("thresholds",)),
        ),
        "Evaluation data": (
            Item("4.5", "Data, and why these", ("data", "flow"), "why these."),
            Item("4.5", "Preprocessing", ("preprocessing",)),
        ),
        "Training data": (Item("4.6", "Data", ("sizes", "labels", "split", "patients")),),
        "Quantitative analyses": (
            Item("4.7", "Results as a whole", ("performance", "operating", "calibration")),
            Item("4.7", "Results by group, and by groups together", ("gaps",), "groups together."),
        ),
        "Ethical considerations": (Item("4.8", "Sensitive data, risks, harms", ("pseudonyms",), "risks and harms."),),
        "Caveats and recommendations": (Item("4.9", "What else users should know", ("warnings",), "all others."),),
    },
)
