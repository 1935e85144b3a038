"""The nodule detection bundle end to end at toy size: what a launch leaves behind, and how it fails."""

import csv
import json
import logging
import math
import shutil
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
import torch
from sklearn.metrics import roc_auc_score

from app.comparing.run_files import open_run_files
from app.datalist.characteristics import characteristics
from app.datalist.file import read_datalist, write_datalist
from app.datalist.fingerprint import fingerprint
from app.engines.evaluator import require_certain
from app.engines.launch import Launch
from app.engines.record import ModelRecord, record_of
from app.engines.run_words import MOST_PARAMETERS
from app.networks.checkpoints import load_exactly, read_weights
from app.networks.se_densenet import SEDenseNet
from app.reporting.report_page import report
from app.reporting.run_record import read_run
from app.sweeps.metric_names import MEASURES

PICTURES = {
    "cases_nodule.png",
    "curves.png",
    "history.png",
    "decision_curves.png",
    "reliability.png",
    "score_distributions.png",
}
CURVES = ("reliability.csv", "decision_curve.csv")
FILES = {"cases.csv", "config.yaml", "data.json", "lesions.csv", "metrics.json", "pictures", "predictions.csv", *CURVES}
PROBABILITIES = (
    *("brier", "brier_scaled", "calibration_error", "calibration_error_debiased"),
    *("calibration_intercept", "calibration_slope", "net_benefit"),
)
SHARES = ("sensitivity", "specificity", "precision", "f1", "accuracy")
CALLS = (
    *SHARES[:3],
    "negative_predictive_value",
    *SHARES[3:],
    "positive_likelihood_ratio",
    "negative_likelihood_ratio",
)
CURVE = ("sensitivity_at_specificity", "specificity_at_sensitivity", "partial_auc")


def only_run(store: str) -> mlflow.entities.Run:
    client = mlflow.MlflowClient(store)
    (run,) = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    return run


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def in_full(metrics: dict) -> str:
    """Every value to the last bit; undefined ones (NaN) equal each other."""
    return json.dumps(metrics)


def test_weights_are_those_of_the_network(trained):
    network = SEDenseNet(1, blocks=(1, 1, 1, 1), growth=4, stem=8)
    load_exactly(network, trained.output_dir / "model.pt")
    assert all(bool(value.isfinite().all()) for value in network.state_dict().values())


def test_metrics_file(trained, world):
    read = json.loads((trained.output_dir / "metrics.json").read_text())
    measures = ["auc", "average_precision", *CALLS, *PROBABILITIES, *CURVE, "dice", "dice_aggregated"]
    located = ["hit_rate", "iou_accuracy", "ior_accuracy"]
    about = ["section", "excluded", "thresholds", "regions"]
    marked = ["lroc_area", "afroc_area", "weighted_afroc_area", "froc_sensitivity"]
    by_group = ["auc_by_view", "auc_by", "warnings", "not_tested"]
    assert list(read) == [*about, *measures, *located, *by_group, *marked]
    assert {*measures, *located, *by_group[:2], *marked} <= set(MEASURES)  # a study may name each of them
    assert read["regions"]["grid"] == "pixels of the stored radiographs"
    assert read["regions"]["map"] == "bilinear between cells' centres"
    assert read["section"] == "test"
    assert read["auc"].keys() == {"Nodule", "macro"}
    counts = {"present", "absent", "unknown", "present_patients", "absent_patients"}
    assert read["auc"]["Nodule"].keys() == {"value", "lower", "upper"} | counts
    assert (read["auc"]["Nodule"]["present"], read["auc"]["Nodule"]["absent"]) == (3, 4)
    assert read["dice"].keys() == {"Nodule", "macro"}
    assert read["dice"]["Nodule"]["images"] == 3
    assert (read["afroc_area"]["Nodule"]["lesions"], read["afroc_area"]["Nodule"]["normal_images"]) == (3, 4)
    assert read["auc_by_view"].keys() == {"AP", "PA"}
    assert read["auc_by"].keys() == {"sex"}
    assert read["auc"]["Nodule"] == trained.metrics["auc"]["Nodule"]


def test_the_record_beside_the_weights(trained, world):
    record = record_of(trained.output_dir / "model.pt", ("Nodule",))
    assert record.findings == ("Nodule",)
    network = {"blocks": [1, 1, 1, 1], "growth": 4, "image_size": 64, "pixel_level": True, "stem": 8}
    assert record.settings == network | {"lung_weights": str(world.folder / "lungs.pt")}
    assert (record.bundle, record.version) == ("nodule_detection", "0.1.0")
    assert (record.chosen_on["data"], record.chosen_on["section"]) == ("tiny", "validation")
    rule = "the highest sensitivity + specificity (Youden's point)"
    assert trained.metrics["thresholds"] == {"chosen_on": "the validation section of tiny", "chosen_for": rule}
    # What it chose is what the report was made with.
    assert {trained.metrics[name]["Nodule"]["threshold"] for name in SHARES} == set(record.score_thresholds)
    dice = {trained.metrics[name]["Nodule"]["threshold"] for name in ("dice", "dice_aggregated")}
    assert dice == set(record.map_thresholds)


def test_cases_are_the_located_items_with_the_reported_dice(trained, world):
    rows = rows_of(trained.output_dir / "cases.csv")
    items = [item for item in read_datalist(world.datalist).sections["test"] if item.boxes]
    expected = [(item.image, item.patient, "Nodule") for item in items]
    assert [(row["image"], row["patient"], row["finding"]) for row in rows] == expected
    values = [float(row["dice"]) for row in rows]
    assert sum(values) / len(values) == pytest.approx(trained.metrics["dice"]["Nodule"]["value"], abs=1e-12)
    assert min(values) == trained.metrics["dice"]["Nodule"]["worst"]
    hits = [int(row["hit"]) for row in rows]
    assert sum(hits) / len(hits) == trained.metrics["hit_rate"]["Nodule"]["value"]
    for measure in ("iou", "ior"):
        right = sum(float(row[measure]) >= 0.1 for row in rows)
        assert right / len(rows) == trained.metrics[f"{measure}_accuracy"]["T 0.1"]["Nodule"]["value"]


def test_predictions_are_of_every_item_and_give_the_reported_auc(trained, world):
    rows = rows_of(trained.output_dir / "predictions.csv")
    columns = ["image", "patient", "finding", "label", "score", "logit", "study", "view", "source", "sex"]
    assert list(rows[0]) == columns
    items = read_datalist(world.datalist).sections["test"]
    assert [(row["image"], row["patient"], row["view"]) for row in rows] == [
        (item.image, item.patient, item.view) for item in items
    ]
    assert [row["label"] for row in rows] == [f"{item.label[0]:g}" for item in items]
    assert {row["finding"] for row in rows} == {"Nodule"}
    scores = [float(row["score"]) for row in rows]
    assert all(0 <= score <= 1 for score in scores)
    area = roc_auc_score([int(row["label"]) for row in rows], scores)
    assert trained.metrics["auc"]["Nodule"]["value"] == pytest.approx(area, abs=1e-12)


def test_pictures_are_there(trained):
    pictures = list((trained.output_dir / "pictures").iterdir())
    assert {picture.name for picture in pictures} == PICTURES
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)


def test_the_run_holds_everything(trained, world):
    run, client = only_run(trained.store), mlflow.MlflowClient(trained.store)
    assert run.info.status == "FINISHED"
    assert client.get_experiment(run.info.experiment_id).name == "nodule_detection"
    parameters = run.data.params
    assert parameters["seed"] == "0"
    assert parameters["max_epochs"] == "2"
    assert parameters["pixel_level"] == "True"
    assert (parameters["data"], parameters["findings"]) == ("tiny", "Nodule")
    assert run.data.tags["data.fingerprint"] == fingerprint(read_datalist(world.datalist))
    assert run.data.tags["data.training_items"] == str(world.counts["training"])
    assert run.data.tags["workflow"] == "training"
    assert run.info.run_name.startswith("out epochs=2 lr=0.01 blocks=[1,1,1,1] growth=4 stem=8 image_size=64")
    assert f"| AUC Nodule | {trained.metrics['auc']['Nodule']['value']:.3f} |" in run.data.tags["mlflow.note.content"]
    assert {
        "frugal.version",
        "frugal.threads",
        "mlflow.source.git.commit",
        "frugal.dataset.training",
    } <= run.data.tags.keys()
    for name in (
        "epoch/train_loss",
        "epoch/learning_rate",
        "epoch/seconds",
        *(f"epoch/validation_{m}" for m in ("auc", "dice", "loss")),
    ):
        history = client.get_metric_history(run.info.run_id, name)
        assert [metric.step for metric in history] == [1, 2], name
        assert all(math.isfinite(metric.value) for metric in history), name
    # MLflow draws groups in the order of their names, then all that is in none.
    assert min(name.partition("/")[0] for name in run.data.metrics if "/" in name) == "epoch"
    # Twice 0.625 and 0.925 of two epochs are 1 and 2: the rate falls after the first.
    rates = [metric.value for metric in client.get_metric_history(run.info.run_id, "epoch/learning_rate")]
    assert rates == pytest.approx([1e-2, 1e-3])
    assert run.data.metrics["test/auc.Nodule"] == run.data.metrics["auc"] == trained.metrics["auc"]["Nodule"]["value"]
    best = {m.step: m.value for m in client.get_metric_history(run.info.run_id, "epoch/validation_auc")}
    assert run.data.metrics["best_validation_auc"] == max(best.values())
    # A grid search chooses by what stands beside the weights.
    kept = record_of(trained.output_dir / "model.pt", ("Nodule",)).validation
    assert kept == {"auc": max(best.values()), "epoch": run.data.metrics["best_epoch"]}
    assert best[int(run.data.metrics["best_epoch"])] == max(best.values())
    assert {entry.path for entry in client.list_artifacts(run.info.run_id)} == FILES
    assert {Path(entry.path).name for entry in client.list_artifacts(run.info.run_id, "pictures")} == PICTURES
    (model,) = client.search_logged_models([run.info.experiment_id])
    assert (model.name, str(model.status), model.source_run_id) == ("nodule_detection", "READY", run.info.run_id)
    assert len(parameters) <= MOST_PARAMETERS


def test_the_data_is_recorded_with_who_its_patients_are_and_a_report_shows_it(trained, world):
    datalist = read_datalist(world.datalist)
    record = json.loads((trained.output_dir / "data.json").read_text())
    assert record["sections"] == json.loads(json.dumps(characteristics(datalist)))
    assert (record["workflow"], record["description"]) == ("training", datalist.description)
    document = report(read_run(open_run_files(str(trained.output_dir), look_up=False)))
    assert {"Flow of cases", "Who the patients are", "What it reached"} <= {each.heading for each in document.sections}
    steps = next(each for each in document.sections if each.heading == "Flow of cases").parts[1].rows
    assert [int(images) for _, images, _ in steps[-2:]] == [world.counts["test"]] * 2


def test_evaluating_the_checkpoint_gives_what_training_reported(trained, world, launch, store, tmp_path):
    checkpoint = str(trained.output_dir / "model.pt")
    metrics = launch("evaluating", world.overrides(tmp_path / "again", checkpoint=checkpoint))
    assert in_full(metrics) == in_full(trained.metrics)
    for name in ("metrics.json", "predictions.csv", "cases.csv", *CURVES):
        assert (tmp_path / "again" / name).read_text() == (trained.output_dir / name).read_text()
    run = only_run(store)
    assert (run.info.status, run.data.tags["workflow"]) == ("FINISHED", "evaluating")
    assert not (tmp_path / "again" / "model.pt").exists()


def test_the_same_seed_gives_the_same_weights_to_the_bit_without_pictures(trained, world, launch, store, tmp_path):
    metrics = launch("training", world.overrides(tmp_path / "again", pictures=False))
    assert in_full(metrics) == in_full(trained.metrics)
    assert not (tmp_path / "again" / "pictures").exists()
    for name in ("metrics.json", "predictions.csv", "cases.csv", *CURVES):
        assert (tmp_path / "again" / name).read_text() == (trained.output_dir / name).read_text()
    first, again = (read_weights(folder / "model.pt") for folder in (trained.output_dir, tmp_path / "again"))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_image_level_form_of_two_findings_started_from_a_run(trained, other_world, launch, store, tmp_path):
    # The second finding is absent in all of validation, the size is odd, the last batch of twelve is cut off.
    datalist = read_datalist(other_world.datalist)
    for item in datalist.sections["validation"]:
        item.label = (item.label[0], 0.0)
    write_datalist(datalist, other_world.datalist)
    shutil.copy(trained.store.removeprefix("sqlite:///"), tmp_path / "mlflow.db")
    changes = {"pixel_level": False, "image_size": 75, "batch_size": 5, "precision": "bfloat16", "max_epochs": 1}
    start = only_run(trained.store).info.run_name
    metrics = launch("training", other_world.overrides(tmp_path / "out", start_from=start, pictures=True, **changes))
    assert metrics["auc"].keys() == {"Nodule", "Effusion", "macro"}
    assert metrics["dice"].keys() == {"Nodule", "macro"}
    assert len(rows_of(tmp_path / "out" / "predictions.csv")) == 2 * other_world.counts["test"]
    assert (tmp_path / "out" / "pictures" / "cases_effusion.png").exists()
    client = mlflow.MlflowClient(store)
    run = client.get_run(client.search_runs(["1"], "attributes.status = 'FINISHED'", max_results=1)[0].info.run_id)
    assert run.data.params["start_from"] == start
    assert math.isfinite(run.data.metrics["epoch/validation_auc"])
    checkpoint = {"checkpoint": str(tmp_path / "out" / "model.pt")}
    again = launch("evaluating", other_world.overrides(tmp_path / "again", **changes, **checkpoint))
    assert in_full(again) == in_full(metrics)


def test_batches_of_one_image_and_a_report_on_validation(world, launch, store, tmp_path, caplog):
    # Normalised over the cells of one map, which at this size are enough.
    overrides = world.overrides(tmp_path / "out", batch_size=1, max_epochs=1, section="validation")
    with caplog.at_level(logging.WARNING):
        metrics = launch("training", overrides)
    assert metrics["section"] == "validation"
    warning = metrics["thresholds"]["warning"]
    assert warning.startswith("thresholds were chosen on the very cases of this validation section")
    assert warning in caplog.messages


def refused(launch, overrides: dict, message: str, run_id: str = "training") -> None:
    """A launch fails with this message somewhere in its chain of errors, where a reader of the traceback sees it."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - MONAI wraps what components raise
        launch(run_id, overrides)
    said, error = [], caught.value
    while error is not None:
        said.append(str(error))
        error = error.__cause__ or error.__context__
    assert any(message in text for text in said), said


def test_a_broken_loss_fails_the_run(world, launch, store, tmp_path):
    # Steps of 1e30 leave weights whose variance is infinite.
    overrides = world.overrides(tmp_path / "out", learning_rate=1e30)
    refused(launch, overrides, "the loss is nan in iteration 2 (epoch 1). The batch: training-")
    run = only_run(store)
    assert run.info.status == "FAILED"
    assert run.data.tags["error"].startswith("FloatingPointError: the loss is nan in iteration 2")
    assert not (tmp_path / "out" / "metrics.json").exists()


@pytest.mark.parametrize("code", [None, 143], ids=["Ctrl-C", "SIGTERM"])
def test_a_launch_that_is_stopped_is_killed_and_not_failed(world, launch, store, tmp_path, monkeypatch, code):
    # What the two signals raise, in the middle of an iteration, comes through Ignite and MONAI unchanged.
    error = KeyboardInterrupt() if code is None else SystemExit(code)

    def stop(network: SEDenseNet, image: torch.Tensor) -> None:
        raise error

    monkeypatch.setattr(SEDenseNet, "forward", stop)
    with pytest.raises(type(error)):
        launch("training", world.overrides(tmp_path / "out"))
    assert only_run(store).info.status == "KILLED"


@pytest.mark.parametrize("section", ["training", "validation", "test"])
def test_an_empty_section_is_refused_before_training(world, launch, store, tmp_path, section):
    datalist = read_datalist(world.datalist)
    datalist.sections[section] = []
    path = world.folder / f"without-{section}.json"
    write_datalist(datalist, path)
    refused(launch, world.overrides(tmp_path / "out", datalist=str(path)), f"section '{section}' holds no item")
    assert mlflow.MlflowClient(store).search_experiments(filter_string="name = 'nodule_detection'") == []


def test_a_patient_in_two_sections_is_refused(world, launch, tmp_path):
    datalist = read_datalist(world.datalist)
    datalist.sections["test"][2].patient = "validation-patient-3"
    path = world.folder / "crossing.json"
    write_datalist(datalist, path)
    message = "'validation-patient-3' in validation and test. Split by patient."
    refused(launch, world.overrides(tmp_path / "out", datalist=str(path)), message)


@pytest.mark.parametrize("run_id", ["training", "evaluating"])
def test_an_output_folder_that_cannot_be_written_is_refused_first(world, launch, tmp_path, run_id):
    (tmp_path / "file").touch()
    message = (
        f"{tmp_path / 'file'}: results cannot be written there (Not a directory). Name another folder: --output_dir"
    )
    refused(launch, world.overrides(tmp_path / "file", datalist="no.json"), message, run_id)


def test_a_misspelt_override_is_refused(world, launch, tmp_path):
    message = "unknown setting 'max_epoch': nothing in the config uses it. Did you mean 'max_epochs'?"
    refused(launch, world.overrides(tmp_path / "out", max_epoch=3), message)


def test_evaluating_wants_a_checkpoint_that_fits(trained, world, launch, tmp_path):
    refused(launch, world.overrides(tmp_path / "out"), "name the weights to evaluate: --checkpoint FILE", "evaluating")
    checkpoint = str(trained.output_dir / "model.pt")
    shutil.copy(checkpoint, tmp_path / "alone.pt")  # with a record it would bring its own settings
    overrides = world.overrides(tmp_path / "out", checkpoint=str(tmp_path / "alone.pt"), growth=8)
    refused(launch, overrides, "alone.pt does not fit this network", "evaluating")
    missing = world.overrides(tmp_path / "out", checkpoint=str(tmp_path / "no.pt"))
    refused(launch, missing, "no.pt: no such checkpoint", "evaluating")


def test_weights_of_another_form_are_refused(trained, world, launch, tmp_path):
    # They fit by every name and shape: both forms differ in pooling and upsampling alone.
    checkpoint = str(trained.output_dir / "model.pt")
    overrides = world.overrides(tmp_path / "out", checkpoint=checkpoint, pixel_level=False)
    record = checkpoint.replace("model.pt", "model.json")
    text = "pixel_level: False, but {} was trained with True ({}): leave this setting out."
    refused(launch, overrides, text.format(checkpoint, record), "evaluating")
    overrides = world.overrides(tmp_path / "out", checkpoint=checkpoint, image_size=96)
    text = "image_size: 96, but {} was trained with 64 ({}): leave this setting out."
    refused(launch, overrides, text.format(checkpoint, record), "evaluating")
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_weights_for_other_findings_are_refused(trained, world, launch, tmp_path):
    datalist = read_datalist(world.datalist)
    path = world.folder / "renamed.json"
    text = world.datalist.read_text().replace('"Nodule"', '"Mass"')
    path.write_text(text)
    assert datalist.findings == ("Nodule",)
    overrides = world.overrides(tmp_path / "out", datalist=str(path), checkpoint=str(trained.output_dir / "model.pt"))
    refused(launch, overrides, f"{path}: it lacks 'Nodule', which is to be evaluated; it has Mass.", "evaluating")


def test_the_findings_of_the_weights_are_taken_from_a_datalist_that_has_more(trained, world, launch, store, tmp_path):
    datalist = read_datalist(world.datalist)
    more = replace(
        datalist.mapped(lambda item: replace(item, label=(1.0, *item.label))), findings=("Effusion", *datalist.findings)
    )
    path = world.folder / "more.json"
    write_datalist(more, path)
    checkpoint = str(trained.output_dir / "model.pt")
    metrics = launch("evaluating", world.overrides(tmp_path / "out", datalist=str(path), checkpoint=checkpoint))
    assert metrics["auc"] == trained.metrics["auc"]
    for name in ("predictions.csv", "cases.csv"):
        assert (tmp_path / "out" / name).read_text() == (trained.output_dir / name).read_text()


def test_a_datalist_of_a_test_section_alone_is_evaluated_as_by_training(trained, world, launch, store, tmp_path):
    datalist = read_datalist(world.datalist)
    for section in ("training", "validation"):
        datalist.sections[section] = []
    path = world.folder / "external.json"
    write_datalist(datalist, path)
    checkpoint = str(trained.output_dir / "model.pt")
    metrics = launch("evaluating", world.overrides(tmp_path / "out", datalist=str(path), checkpoint=checkpoint))
    assert in_full(metrics) == in_full(trained.metrics)
    for name in ("metrics.json", "predictions.csv", "cases.csv", *CURVES):
        assert (tmp_path / "out" / name).read_text() == (trained.output_dir / name).read_text()
    assert only_run(store).data.tags["data.validation_items"] == "0"


def test_the_kept_thresholds_are_used_whatever_the_evaluated_section_would_choose(
    trained, world, launch, store, tmp_path
):
    # As if validation had chosen to call everything present and to draw nothing.
    for name in ("model.pt", "model.json"):
        shutil.copy(trained.output_dir / name, tmp_path)
    ModelRecord(("Nodule",), {}, (0.0,), (0.999,)).write(tmp_path / "model.pt")
    overrides = world.overrides(tmp_path / "out", checkpoint=str(tmp_path / "model.pt"), section="validation")
    metrics = launch("evaluating", overrides)
    assert metrics["section"] == "validation"
    assert (metrics["sensitivity"]["Nodule"]["value"], metrics["specificity"]["Nodule"]["value"]) == (1, 0)
    assert metrics["dice"]["Nodule"]["value"] == 0


def test_weights_alone_are_evaluated_at_one_half_with_a_warning(trained, world, launch, store, tmp_path, caplog):
    shutil.copy(trained.output_dir / "model.pt", tmp_path)
    metrics = launch("evaluating", world.overrides(tmp_path / "out", checkpoint=str(tmp_path / "model.pt")))
    assert f"{tmp_path / 'model.json'} is missing: thresholds chosen on validation are not known" in caplog.text
    assert metrics["auc"] == trained.metrics["auc"]
    assert metrics["f1"]["Nodule"]["threshold"] == metrics["dice"]["Nodule"]["threshold"] == 0.5


@pytest.mark.parametrize("section", ["validation", "test"])
def test_certainties_to_be_counted_are_refused_before_training(world, launch, store, tmp_path, section):
    datalist = read_datalist(world.datalist)
    datalist.sections[section][1].label = (0.7,)
    path = world.folder / f"certainties-{section}.json"
    write_datalist(datalist, path)
    message = f"{section}-1.png: label 0.7 is a certainty; evaluation needs 1, 0, -1 or null."
    refused(launch, world.overrides(tmp_path / "out", datalist=str(path)), message)
    assert mlflow.MlflowClient(store).search_experiments(filter_string="name = 'nodule_detection'") == []


@pytest.mark.parametrize("label", [0.0, 1.0, -1.0, -2.0])
def test_certain_and_unknown_labels_can_be_counted(label):
    require_certain([{"name": "a.png", "label": [label]}])


def test_certainties_can_be_learnt_from(world, launch, store, tmp_path):
    datalist = read_datalist(world.datalist)
    for item in datalist.sections["training"][:2]:
        item.label = (0.7,)
    path = world.folder / "certainties-training.json"
    write_datalist(datalist, path)
    metrics = launch("training", world.overrides(tmp_path / "out", datalist=str(path), max_epochs=1))
    assert metrics["section"] == "test"


def test_a_start_that_is_nowhere_is_refused(world, launch, store, tmp_path):
    refused(launch, world.overrides(tmp_path / "out", start_from="modle.pt"), "there is no file 'modle.pt'")


def test_one_kind_of_label_alone_is_refused(world, launch, store, tmp_path):
    datalist = read_datalist(world.datalist)
    datalist.sections["training"] = datalist.sections["training"][::2]
    path = world.folder / "absent-alone.json"
    write_datalist(datalist, path)
    refused(launch, world.overrides(tmp_path / "out", datalist=str(path)), "there are 0 with a finding and 6 without")


def test_an_unknown_key_metric():
    with pytest.raises(ValueError, match="key_metric is one of auc, dice, loss, not 'f1'"):
        Launch("x", None, "out", key_metric="f1")


def test_an_image_that_cannot_be_read_is_named(world, launch, store, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(world.folder, folder, ignore=shutil.ignore_patterns("prepared"))
    path = folder / "training-3.png"
    path.write_bytes(path.read_bytes()[:200])
    overrides = world.overrides(tmp_path / "out", datalist=str(folder / "datalist.json"))
    refused(launch, overrides, "training-3.png")


def test_images_that_cannot_be_read_are_left_out_by_choice_and_counted(world, launch, store, tmp_path, caplog):
    folder = tmp_path / "damaged"
    shutil.copytree(world.folder, folder, ignore=shutil.ignore_patterns("prepared"))
    for name in ("training-0.png", "training-3.png", "test-1.png"):
        (folder / name).write_bytes((folder / name).read_bytes()[:200])
    choice = {"prepare#on_error": "exclude"}
    overrides = world.overrides(
        tmp_path / "out", datalist=str(folder / "datalist.json"), prepared_dir=str(folder / "prepared"), **choice
    )
    with caplog.at_level(logging.INFO):
        metrics = launch("training", overrides)
    assert metrics["excluded"] == {"training": 2, "test": 1}
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["excluded"] == metrics["excluded"]
    assert "left out of the training section: 2 files that could not be read" in caplog.text
    logged = only_run(store).data.metrics
    assert [logged.get(f"excluded/{section}", 0) for section in ("training", "validation", "test")] == [2, 0, 1]
    assert {row["image"] for row in rows_of(tmp_path / "out" / "predictions.csv")} == {
        f"test-{number}.png" for number in (0, 2, 3, 4, 5, 6)
    }


def test_resume_from_the_config(trained, world, launch, store, tmp_path):
    # As killed after the first of two epochs: the checkpoint before the last, and nothing after it.
    for name in ("previous.pt", "model.pt"):
        (tmp_path / "out").mkdir(exist_ok=True)
        shutil.copy(trained.output_dir / name, tmp_path / "out" / name)
    shutil.copy(trained.store.removeprefix("sqlite:///"), tmp_path / "mlflow.db")
    refused(
        launch, world.overrides(tmp_path / "out", resume=True, growth=8), "previous.pt was trained with growth 4, not 8"
    )
    metrics = launch("training", world.overrides(tmp_path / "out", resume=True))
    assert in_full(metrics) == in_full(trained.metrics)
    first, again = (read_weights(folder / "last.pt") for folder in (trained.output_dir, tmp_path / "out"))
    assert all(torch.equal(first[name], again[name]) for name in first)
    run = only_run(store)
    assert (run.info.status, run.data.params["max_epochs"]) == ("FINISHED", "2")
