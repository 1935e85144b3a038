"""Checklists are complete, and answer nothing that the run does not know."""

from dataclasses import replace

import pytest

from app.pages.document import Document
from app.reporting.checklist import ALL, filled
from app.reporting.claim_2024 import CLAIM_2024
from app.reporting.facts import KNOWN, facts_of
from app.reporting.report_page import CHECKLISTS, checklists
from app.reporting.stard_ai import STARD_AI
from app.reporting.tripod_ai import TRIPOD_AI
from tests.app.reporting.conftest import made_datalist

YOURS_ALONE = {
    "claim_2024": ("2", "3", "4", "5", "6", "15", "34", "41", "44"),
    "stard_ai": (
        "2",
        "3",
        "4",
        "5",
        "6",
        "8",
        "9",
        "10",
        "15d",
        "16b",
        "17b",
        "26a",
        "32",
        "34",
        "35",
        "36",
        "38",
        "39",
    ),
    "tripod_ai": ("2", "3a", "3b", "3c", "5b", "6a", "8b", "8c", "14", "17", "18a", "18b", "18c", "18d", "19"),
}
"""Items about the study's purpose, people and money, of which no run can know anything."""


def rows(document: Document) -> list[tuple[str, ...]]:
    return [
        row for section in document.sections for part in section.parts if hasattr(part, "rows") for row in part.rows
    ]


def test_claim_has_44_items():
    assert [item.number for item in CLAIM_2024.items] == [str(n) for n in range(1, 45)]


def test_stard_ai_has_40_items_in_48_rows():
    numbers = [item.number for item in STARD_AI.items]
    assert len(numbers) == len(set(numbers)) == 48
    assert list(dict.fromkeys(number.rstrip("abcd") for number in numbers)) == [str(n) for n in range(1, 41)]


def test_tripod_ai_has_27_items_in_52_rows():
    numbers = [item.number for item in TRIPOD_AI.items]
    assert len(numbers) == len(set(numbers)) == 52
    assert list(dict.fromkeys(number.rstrip("abcdefg") for number in numbers)) == [str(n) for n in range(1, 28)]


def test_every_fact_that_an_item_names_exists_and_every_fact_is_used():
    named = {fact for each in CHECKLISTS for item in each.items for fact in item.facts}
    assert named == KNOWN


def test_what_no_run_knows_is_left_to_the_author(record):
    documents = checklists(record)
    for key, numbers in YOURS_ALONE.items():
        answers = {row[0]: row[2:] for row in rows(documents[key])}
        assert {number: answers[number] for number in numbers} == dict.fromkeys(numbers, ("", ALL))


def test_answers_come_from_the_record(record):
    facts = facts_of(record)
    assert facts["data"].startswith("wards: Two wards (fingerprint ")
    assert (
        facts["split"]
        == "Split by patient, stratified over findings, locations and views, shares 0.4, 0.1, 0.5, seed 1."
    )
    assert facts["eligibility"] == "Left out, in this order: images of other views (60)."
    assert facts["sizes"].startswith("Training 24 images of 24 patients; validation 6 images of 6 patients; ")
    assert facts["network"] == "Network: SEDenseNet (blocks [3, 6])."
    assert facts["preprocessing"] == "In this order: LoadRadiographd; ResizeRadiographd (size 64)."
    assert facts["selection"] == "The weights of epoch 3 were kept, the best on the validation section (auc 0.875)."
    assert facts["thresholds"].startswith("Chosen beforehand on the validation section of wards, for Youden's point. ")
    assert facts["warnings"] == "Warnings of the run: Look out."
    assert facts["missing"].startswith("Files that could not be read and were left out: 2 in test, 1 in training.")
    # No run in MLflow is known, so nothing of versions, commit or start.
    assert not {"software", "code", "version", "external", "pseudonyms", "recalibration"} & facts.keys()


def test_recalibration_is_told_by_finding_and_only_if_recorded(record):
    forms = [{"method": "platt", "slope": 0.5, "intercept": -1.0}, {"method": "none", "slope": 1.0, "intercept": 0.0}]
    model = {"findings": ["Nodule", "Effusion"], "recalibration": forms}
    told = facts_of(replace(record, model=model))["recalibration"]
    assert told == "Scores were recalibrated on validation, by finding: Nodule platt, Effusion none."
    assert "recalibration" not in facts_of(replace(record, model={**model, "recalibration": {"method": "odd"}}))


def test_without_records_less_is_answered_and_nothing_guessed(without):
    bare = facts_of(without("metrics", "data", "model", "config", "settings"))
    assert bare.keys() <= {
        *("outcome", "prevalence", "alternatives", "subgroups", "missing", "indeterminate", "intervals"),
        *("test_size", "stored"),
    }


def test_an_item_says_what_is_still_missing(record):
    document = filled(CLAIM_2024, {"data": "wards."}, "run")
    by_number = {row[0]: row for row in rows(document)}
    assert by_number["7"][2:] == ("wards.", "To be said by you: sites, dates, links and terms of use.")
    assert by_number["9"][2:] == ("", ALL)
    assert document.subtitle.startswith("run: the run answers 0 of 44 items, and 1 more in part.")


@pytest.mark.parametrize("key", [each.key for each in CHECKLISTS])
def test_sources_are_named(record, key):
    note = checklists(record)[key].sections[-1].parts[0]
    assert "in our words" in note.text
    assert "20" in note.text


def test_findings_keep_their_names(record):
    present = [
        f"{name.capitalize()}: {len(items)} images, with Nodule {sum(item.label[0] == 1 for item in items)}, "
        f"Effusion {sum(item.label[1] == 1 for item in items)}."
        for name, items in made_datalist().sections.items()
    ]
    assert facts_of(record)["events"] == " ".join(present)
