"""Reports by study, by group of findings and against other label sets."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.datalist.file import read_datalist, write_datalist
from app.datalist.item import Datalist, Item
from app.engines.outputs import Outputs
from app.engines.record import ModelRecord, choose_thresholds, record_of
from app.engines.reports import FindingGroups, LabelSets, StudyLevel, tubes_and_pathologies
from app.engines.results import logged, table
from evaluation.logits import logit_of

FINDINGS = ("Effusion", "Chest Drain")
RECORD = ModelRecord(FINDINGS, {}, (0.5, 0.5), (0.5, 0.5))


def outputs(score: list[list[float]], label: list[list[float]]) -> Outputs:
    return Outputs(np.arange(len(score)), logit_of(score), np.array(label, np.float32))


def sample(name: str, study: str = "", patient: str = "", **attributes: Any) -> dict[str, Any]:
    return {"name": name, "patient": patient or name, "study": study, "attributes": attributes}


# Two studies of two views and two of one.
VIEWS = [
    sample(f"images/{n}.png", study, patient) for n, (study, patient) in enumerate(["aA", "aA", "bB", "bB", "aC", "aD"])
]
VALIDATED = outputs(
    [[0.1, 0.5], [0.9, 0.5], [0.3, 0.5], [0.2, 0.5], [0.4, 0.5], [0.6, 0.5]],
    [[1, -1], [1, -2], [0, -2], [-1, -2], [1, -2], [0, -2]],
)


def test_a_study_has_the_highest_score_of_its_views() -> None:
    found = StudyLevel()(VALIDATED, VIEWS, RECORD)["by_study"]
    # Studies: A 0.9 present, B 0.3 absent, C 0.4 present, D 0.6 absent: of 4 pairs A beats both, C beats B.
    assert found["auc"]["Effusion"]["value"] == 0.75
    assert (found["auc"]["Effusion"]["present"], found["auc"]["Effusion"]["absent"]) == (2, 2)
    assert (found["studies"], found["images"]) == (4, 6)
    # At 0.5, A is detected and C is missed.
    assert found["sensitivity"]["Effusion"]["value"] == 0.5


def test_there_is_no_report_by_study_if_each_has_one_image() -> None:
    single = [sample(f"{n}.png") for n in range(6)]
    assert StudyLevel()(VALIDATED, single, RECORD) == {}
    # Study names are only unique within a patient.
    numbered = [sample(f"{n}.png", "1", f"patient {n}") for n in range(6)]
    assert StudyLevel()(VALIDATED, numbered, RECORD) == {}


def test_groups_of_findings_have_their_mean() -> None:
    section = outputs([[0.9, 0.2], [0.3, 0.4], [0.1, 0.6], [0.4, 0.3]], [[1, 1], [1, 0], [0, 1], [0, 0]])
    single = [sample(f"{n}.png") for n in range(4)]
    found = FindingGroups({"drains": ["Chest Drain"], "all": FINDINGS})(section, single, RECORD)["by_finding_group"]
    # By hand: the drains' 0.6 beats both that are absent, 0.2 none; of effusions 0.9 beats both, 0.3 one.
    assert found["drains"]["auc"]["macro"]["value"] == 0.5
    assert found["all"]["auc"]["macro"]["value"] == pytest.approx((0.5 + 0.75) / 2)
    assert FindingGroups({})(section, VIEWS, RECORD) == {}
    with pytest.raises(ValueError, match="unknown finding 'Drain'"):
        FindingGroups({"drains": ["Drain"]})(section, VIEWS, RECORD)
    with pytest.raises(ValueError, match="group 'none' names no finding"):
        FindingGroups({"none": []})(section, VIEWS, RECORD)


def test_tubes_and_pathologies_are_groups_if_there_are_both() -> None:
    assert tubes_and_pathologies(FINDINGS) == {"tubes": ["Chest Drain"], "pathologies": ["Effusion"]}
    assert tubes_and_pathologies(("Chest Drain",)) == {}


def expert(folder: Path, labels: dict[str, list[float]], findings: tuple[str, ...] = ("Chest Drain", "Mass")) -> Path:
    items = [Item(f"elsewhere/{name}.dcm", name, tuple(label)) for name, label in labels.items()]
    path = folder / "expert.json"
    write_datalist(Datalist("experts", findings, {"training": items[:1], "validation": [], "test": items[1:]}), path)
    return path


def test_scores_are_measured_against_another_label_set_of_the_same_images(tmp_path: Path) -> None:
    section = outputs([[0.5, 0.2], [0.5, 0.8], [0.5, 0.6], [0.5, 0.4]], [[1, 0], [0, 1], [1, 1], [0, 0]])
    # 0.75 and 0.25 are certainties; image 3 is not in the set.
    path = expert(tmp_path, {"0": [0.75, 1], "1": [1, 0], "2": [0.25, 0], "9": [1, 1]})
    found = LabelSets({"expert": path})(section, VIEWS, RECORD)["label_sets"]["expert"]
    # By hand: present 0.2 and 0.8, absent 0.6: one pair of two is right.
    assert found["auc"]["Chest Drain"]["value"] == 0.5
    assert found["images"] == 3
    # The set has no label of effusions: NaN, and not part of the mean.
    assert np.isnan(found["auc"]["Effusion"]["value"])
    assert found["auc"]["macro"]["findings"] == 1
    # Own labels 0, 1, 1 against 1, 1, 0. By hand: observed 1/3, expected 2/3 x 2/3 + 1/3 x 1/3 = 5/9, kappa -1/2.
    assert found["kappa"]["Chest Drain"]["value"] == pytest.approx(-0.5)
    assert found["kappa"]["Chest Drain"]["images"] == 3


def test_a_label_set_of_one_source(tmp_path: Path) -> None:
    section = outputs([[0.5, 0.2], [0.5, 0.8], [0.5, 0.6]], [[1, 0], [0, 1], [1, 1]])
    path = expert(tmp_path, {"0": [0, 1], "1": [1, 0], "2": [0, 0]})
    datalist = read_datalist(path)
    for item, source in zip(datalist.items(), ("physician", "RNN", "physician"), strict=True):
        item.source = source
    write_datalist(datalist, path)
    found = LabelSets({"all": path, "physician": {"file": str(path), "source": "physician"}})
    entries = found(section, VIEWS, RECORD)["label_sets"]
    assert (entries["all"]["images"], entries["physician"]["images"]) == (3, 2)
    with pytest.raises(ValueError, match=r"'expert': .*expert\.json has items of RNN, physician, none of 'RNM'"):
        LabelSets({"expert": {"file": str(path), "source": "RNM"}})
    with pytest.raises(ValueError, match=r"'expert': must be FILE or \{file: FILE, source: SOURCE\}, not"):
        LabelSets({"expert": {"file": str(path)}})


def test_a_label_set_of_other_images_is_refused(tmp_path: Path) -> None:
    section = outputs([[0.5, 0.2]], [[1, 0]])
    with pytest.raises(
        ValueError, match=r"label set 'expert' \(experts\) has no label of Effusion, Chest Drain for any"
    ):
        LabelSets({"expert": expert(tmp_path, {"77": [1, 0], "78": [0, 0]})})(section, VIEWS, RECORD)
    assert LabelSets()(section, VIEWS, RECORD) == {}


def test_areas_of_reports_are_shown_and_logged(tmp_path: Path) -> None:
    section = outputs([[0.5, 0.2], [0.5, 0.8], [0.5, 0.6]], [[1, 0], [0, 1], [1, 1]])
    path = expert(tmp_path, {"0": [0, 1], "1": [1, 0], "2": [0, 0]})
    result = LabelSets({"expert": path})(section, VIEWS, RECORD) | StudyLevel()(VALIDATED, VIEWS, RECORD)
    names = logged(result, FINDINGS)
    assert names["label_sets.expert.auc.Chest Drain"] == 1
    assert names["label_sets.expert.kappa.Chest Drain"] == pytest.approx(0.4)  # by hand: (2/3 - 4/9) / (5/9)
    assert "by_study.auc.Effusion" in names
    assert not any("specificity" in name for name in names)
    assert "label_sets expert auc Chest Drain" in table(result)


def test_studies_have_thresholds_chosen_on_studies(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # Four absent studies of logits 2, -2, -2 and four present ones of 2.5, 1. Images: from 1 on, all that are present
    # and a third of the absent ones are called, the best there is. That calls every study; from 2.5 on, all are right.
    views = [(2.0, 0), (-2.0, 0), (-2.0, 0)], [(2.5, 1), (1.0, 1)]
    rows = [(n, *view) for n in range(8) for view in views[n % 2]]
    visited = [sample(f"{k}.png", "1", f"patient {n}") for k, (n, _, _) in enumerate(rows)]
    validation = outputs([[0.5, 0.5]] * len(rows), [[label, -2] for _, _, label in rows])
    validation.logit[:, 0] = [logit for _, logit, _ in rows]
    choose_thresholds(validation, FINDINGS, {}, visited).write(tmp_path / "model.pt")
    record = record_of(tmp_path / "model.pt", FINDINGS)
    assert (record.logit_thresholds, record.study_thresholds) == ((1, 0), (2.5, 0))
    found = StudyLevel()(validation, visited, record)["by_study"]
    assert found["thresholds_of"] == "studies"
    assert found["specificity"]["Effusion"]["value"] == 1
    assert found["specificity"]["Effusion"]["logit_threshold"] == 2.5
    # Without them, those of images are applied, which is told.
    assert "by_study" not in caplog.text
    found = StudyLevel()(validation, visited, replace(record, study_thresholds=()))["by_study"]
    assert "by_study has those of images" in caplog.text
    assert (found["thresholds_of"], found["specificity"]["Effusion"]["value"]) == ("images", 0)
    # A wanted sensitivity is that of studies as well: every present one has a view of 2.5.
    record = choose_thresholds(validation, FINDINGS, {}, visited, operating_point="sensitivity 1")
    assert (record.logit_thresholds[0], record.study_thresholds[0]) == (1, 2.5)
    # Single images choose none.
    alone = [sample(f"{k}.png") for k in range(len(rows))]
    assert choose_thresholds(validation, FINDINGS, {}, alone).study_thresholds == ()
