"""Wrong configs with the message that refuses each; good ones pass; nothing in a config ever runs."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.checking import CheckError, check_files, load, require_good

ROOT = Path(__file__).parents[3]
BUNDLES = sorted(path.parents[1] for path in ROOT.glob("bundles/*/configs/train.yaml"))
Write = Callable[..., Path]


def problems_of(*files: Path, overrides: dict[str, Any] | None = None, **how: Any) -> list[str]:
    """The problems, one a line."""
    return [str(problem) for problem in check_files(files, overrides, **how).problems]


def test_the_small_config_is_fine(write: Write):
    report = check_files([write()])
    assert (report.run_id, report.problems, report.warnings) == ("training", (), ())
    require_good(report)


# (changes to the config, the id, a part of the message)
UNKNOWN = {
    "top level": (
        {"max_epoch": 3},
        "max_epoch",
        "unknown setting 'max_epoch': nothing in the config uses it. Did you mean 'max_epochs'?",
    ),
    "argument": (
        {"train#trainer#max_epoch": 3},
        "train#trainer#max_epoch",
        "SupervisedTrainer takes no argument 'max_epoch'. Did you mean 'max_epochs'?",
    ),
    "argument deeper": (
        {"train#dataset#transform#transforms#0#keyz": 1},
        "train#dataset#transform#transforms#0#keyz",
        "CLAHEd takes no argument 'keyz'. Did you mean 'keys'?",
    ),
    "of none": (
        {"train#trainer#loss_function#zzz": 1},
        "train#trainer#loss_function#zzz",
        "KnownLabelBCELoss takes no argument 'zzz'. It takes none.",
    ),
    "in a group": (
        {"train#sampler": {"a": 1}},
        "train#sampler",
        "unknown key 'sampler': nothing in the config uses '@train#sampler'.",
    ),
    "handed on": (
        {"phantoms#cuont": 1},
        "phantoms#cuont",
        "write_phantoms takes no argument 'cuont'. Did you mean 'count'?",
    ),
    "missing in what is handed on": (
        {"phantoms": {"size": 64}},
        "phantoms",
        "write_phantoms needs 'count', 'seed'.",
    ),
    "special": ({"network#_modus_": 1}, "network#_modus_", "unknown special key '_modus_'. Did you mean '_mode_'?"),
    "separator in a key": (
        {"network": {"a#b": {"_target_": "app.networks.ResNet", "findings": 1}}},
        "network",
        "the key 'a#b' cannot be referred to: '#' and '::' separate keys of an id.",
    ),
    "required": ({"train#trainer#optimizer": ...}, "train#trainer", "SupervisedTrainer needs 'optimizer'."),
    "target": (
        {"network#_target_": "app.networks.SEDensNet"},
        "network#_target_",
        "there is no 'app.networks.SEDensNet'. Did you mean 'SEDenseNet'?",
    ),
    "lazy target": (
        {"train#dataset#transform#transforms#0#_target_": "transforms.CLAHEx"},
        "train#dataset#transform#transforms#0#_target_",
        "there is no 'transforms.CLAHEx'. Did you mean 'CLAHE'?",
    ),
    "module of a target": (
        {"network#_target_": "app.network.SEDenseNet"},
        "network#_target_",
        "there is no 'app.network'. Did you mean 'networks'?",
    ),
    "short target": (
        {"train#trainer#_target_": "SupervisedTrianer"},
        "train#trainer#_target_",
        "there is no 'SupervisedTrianer'. Did you mean 'SupervisedTrainer'?",
    ),
    "third party": (
        {"optimizer#_target_": "torch.optim.Adamm"},
        "optimizer#_target_",
        "there is no 'torch.optim.Adamm'. Did you mean 'Adam'?",
    ),
    "reference": (
        {"launch#seed": "@sead"},
        "launch#seed",
        "'@sead' refers to nothing in the config. Did you mean 'seed'?",
    ),
    "deep reference": (
        {"train#dataloader#dataset": "@train#datset"},
        "train#dataloader#dataset",
        "'@train#datset' refers to nothing in the config. Did you mean 'train#dataset'?",
    ),
    "relative reference": (
        {"train#dataloader#dataset": "@##datset"},
        "train#dataloader#dataset",
        "'@train#datset' refers to nothing",
    ),
    "reference in an expression": (
        {"network#findings": "$len(@dta.findings)"},
        "network#findings",
        "'@dta' refers to nothing in the config. Did you mean 'data'?",
    ),
    "macro": (
        {"learning_rate": "%learning_rat"},
        "learning_rate",
        "'%learning_rat' names nothing that exists. Did you mean 'learning_rate'?",
    ),
    "name in an expression": (
        {"network#pooling": "$poling.MaxPooling()"},
        "network#pooling",
        "'poling' is neither imported nor a name of Python. Did you mean 'pooling'?",
    ),
    "member in an expression": (
        {"network#pooling": "$pooling.MaxPoling()"},
        "network#pooling",
        "there is no 'app.networks.pooling.MaxPoling'. Did you mean 'MaxPooling'?",
    ),
    "call in an expression": (
        {"initialize": ["$engines.begin(@output_dir, sead=@seed)"]},
        "initialize#0",
        "begin takes no argument 'sead'. Did you mean 'seed'?",
    ),
    "call without": ({"initialize": ["$engines.begin(@output_dir)"]}, "initialize#0", "begin needs 'seed'."),
    "import": (
        {"imports#0": "$import app.engine as engines"},
        "imports#0",
        "there is no 'app.engine' to import. Did you mean 'engines'?",
    ),
    "no Python": ({"network#findings": "$len(@data.findings"}, "network#findings", "is no Python expression"),
    "too deep": ({"network#findings": f"${'-' * 30_000}1"}, "network#findings", "is no Python expression"),
    "pattern": ({"network#_target_": "app.**"}, "network#_target_", "there is no 'app.**'"),
    "path": ({"network#_target_": "app./etc/x"}, "network#_target_", "there is no 'app./etc/x'"),
}


@pytest.mark.parametrize(("changes", "place", "text"), UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_and_missing_names(write: Write, changes: dict[str, Any], place: str, text: str):
    found = problems_of(write(changes))
    assert any(line.startswith(f"train.yaml: {place}: ") and text in line for line in found), found


VALUES = {
    "text for a count": (
        {"max_epochs": "30"},
        "max_epochs",
        "'30' is text, but SupervisedTrainer's max_epochs is of type int.",
    ),
    "half a batch": (
        {"batch_size": 2.5},
        "batch_size",
        "2.5 is a number, but DataLoader's batch_size is of type int | None.",
    ),
    "exponent": (
        {"learning_rate": "1e-4"},
        "learning_rate",
        "'1e-4' is text, not a number, to YAML 1.1: write 1.0e-4.",
    ),
    "exponent without sign": (
        {"learning_rate": "2e5"},
        "learning_rate",
        "'2e5' is text, not a number, to YAML 1.1: write 2.0e+5.",
    ),
    "switch": (
        {"train#trainer#decollate": "no, please"},
        "train#trainer#decollate",
        "'no, please' is text, but SupervisedTrainer's decollate is of type bool.",
    ),
    "list": (
        {"network#blocks": 6},
        "network#blocks",
        "6 is a whole number, but SEDenseNet's blocks is of type Sequence[int].",
    ),
    "in a list": (
        {"network#blocks": [6, "x"]},
        "network#blocks",
        "[6, 'x'] is a list, but SEDenseNet's blocks is of type Sequence[int].",
    ),
    "null": ({"network#growth": None}, "network#growth", "None is null, but SEDenseNet's growth is of type int."),
    "no epoch": ({"max_epochs": 0}, "max_epochs", "max_epochs is 0; at least 1 is allowed."),
    "negative batch": ({"batch_size": -4}, "batch_size", "batch_size is -4; at least 1 is allowed."),
    "negative seed": ({"seed": -1}, "seed", "seed is -1; at least 0 is allowed."),
    "large seed": ({"seed": 2**32}, "seed", "seed is 4294967296; at most 4294967295 is allowed."),
    "no rate": ({"learning_rate": 0.0}, "learning_rate", "learning_rate is 0.0; it must be above 0."),
    "section": (
        {"section": "tset"},
        "section",
        "section is one of training, validation, test, not 'tset'. Did you mean 'test'?",
    ),
    "operating point": (
        {"operating_point": "sensitivty 0.9"},
        "operating_point",
        "such as 'sensitivity 0.95', not 'sensitivty 0.9'. Did you mean 'sensitivity'?",
    ),
    "pictures": ({"pictures": "no"}, "pictures", "pictures is true or false, not 'no'."),
    "prevalence": (
        {"prevalence": {"Nodule": 2}},
        "prevalence",
        "prevalence of Nodule is 2; it must lie between 0 and 1, such as 0.02.",
    ),
    "prevalence of a finding that is not there": (
        {"prevalence": {"Nodul": 0.02}},
        "prevalence",
        "phantoms: it has no finding 'Nodul', whose prevalence is stated. Did you mean 'Nodule'?",
    ),
    "precision": ({"precision": "bfloat61"}, "precision", "not 'bfloat61'. Did you mean 'bfloat16'?"),
    "recalibration": ({"recalibration": "plat"}, "recalibration", "not 'plat'. Did you mean 'platt'?"),
    "phantoms": (
        {"phantoms#findings#0": "Nodul"},
        "phantoms#findings#0",
        "phantoms have no finding 'Nodul'. Did you mean 'Nodule'?",
    ),
    "no datalist": ({"datalist": "absent.json"}, "datalist", "absent.json: no such datalist."),
    "nor phantoms": ({"phantoms": None}, "datalist", "neither a datalist nor phantoms are given: --datalist FILE."),
    "batch beyond memory": ({"batch_size": 10**9}, "batch_size", "takes 655360.0 GB at least, before the network"),
}


# 655360 GB by hand: 10**9 images, (1 + 1) planes of 256 x 256 pixels, 1 + 4 bytes each.
@pytest.mark.parametrize(("changes", "place", "text"), VALUES.values(), ids=VALUES)
def test_values_that_cannot_be_meant(write: Write, changes: dict[str, Any], place: str, text: str):
    found = problems_of(write(changes))
    assert len(found) == 1, found
    assert found[0].startswith(f"train.yaml: {place}: ")
    assert text in found[0]


OVERRIDES = {
    "another kind": (
        {"batch_size": "abc"},
        "batch_size",
        "'abc' is text, but DataLoader's batch_size is of type int | None.",
    ),
    "only the default tells": ({"output_dir": 3}, "output_dir", "3 is read as a whole number"),
    "switch as text": (
        {"pixel_level": "false"},
        "pixel_level",
        "'false' is text, but the default, True, is true or false. Write True or False.",
    ),
    "unknown": ({"max_epoch": 3}, "max_epoch", "unknown setting 'max_epoch'"),
    "unknown parent": (
        {"trian#trainer#max_epochs": 3},
        "trian#trainer#max_epochs",
        "there is no 'trian#trainer' in the config. Did you mean 'train#trainer'?",
    ),
    "part of an expression": (
        {"network#pooling#kernel": 3},
        "network#pooling#kernel",
        "pooling.AveragePooling()', which has no parts: replace all of it",
    ),
    "unknown leaf": (
        {"train#trainer#max_epoch": 3},
        "train#trainer#max_epoch",
        "SupervisedTrainer takes no argument 'max_epoch'",
    ),
    "with colons": ({"train::trainer::decollate": "x"}, "train#trainer#decollate", "'x' is text"),
}


@pytest.mark.parametrize(("overrides", "place", "text"), OVERRIDES.values(), ids=OVERRIDES)
def test_problems_of_overrides_name_the_command_line(write: Write, overrides: dict[str, Any], place: str, text: str):
    (found,) = problems_of(write(), overrides=overrides)
    assert found.startswith(f"command line: {place}: ")
    assert text in found


def test_a_policy_for_some_findings_may_replace_one_for_all(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    config = Path("bundles/uncertain_labels/configs/train.yaml")
    assert problems_of(config, overrides={"uncertain": {"Effusion": "ones"}}) == []
    (found,) = problems_of(config, overrides={"architecture": {"Effusion": "resnet50"}})
    assert "architecture: {'Effusion': 'resnet50'} is a mapping, but BackboneClassifier's architecture" in found


def test_an_override_can_fix_a_file_and_null_changes_nothing(write: Write):
    file = write({"max_epochs": 0})
    assert problems_of(file, overrides={"max_epochs": 3}) == []
    assert len(problems_of(file, overrides={"max_epochs": None})) == 1


def test_ten_mistakes_are_found_at_once(write: Write):
    changes = [UNKNOWN[name] for name in ("top level", "argument", "handed on", "target", "deep reference", "import")]
    changes += [VALUES[name] for name in ("half a batch", "exponent", "negative seed", "section")]
    found = problems_of(write({key: value for change, _, _ in changes for key, value in change.items()}))
    for _, place, text in changes:
        assert [line for line in found if line.startswith(f"train.yaml: {place}: ") and text in line], (place, found)
    with pytest.raises(CheckError, match=r"this configuration cannot run, nothing was done: 1[0-9] problems"):
        require_good(check_files([Path("train.yaml")]))


def test_a_repeated_key_is_refused_with_its_line(write: Write):
    file = write()
    file.write_text(file.read_text() + "seed: 1\n")
    line = len(file.read_text().splitlines())
    with pytest.raises(
        CheckError, match=rf"^train.yaml: cannot be parsed \(the key 'seed' is given twice \(line {line}\)"
    ):
        problems_of(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [1", "cannot be parsed"), ("- 1", "a config is a mapping of names to values, not list")],
)
def test_every_file_that_is_no_config_is_named(bundles: Path, text: str, message: str):
    (bundles / "bad.yaml").write_text(text)
    with pytest.raises(CheckError, match=rf"^bad.yaml: {message}[\s\S]*absent.yaml: cannot be read \(No such file"):
        load(["bad.yaml", "absent.yaml"])


def test_later_files_override_earlier_ones_and_are_named(write: Write, bundles: Path):
    (bundles / "more.yaml").write_text("max_epochs: 0\n+phantoms: {size: 256}\ntrain::trainer::amp: 7\n")
    found = problems_of(write(), Path("more.yaml"))
    assert [line.split(" is")[0] for line in found] == [
        "more.yaml: train#trainer#amp: 7",
        "more.yaml: max_epochs: max_epochs",
    ]
    assert load(["train.yaml", "more.yaml"]).config["phantoms"] == {
        "count": 8,
        "seed": 0,
        "size": 256,
        "findings": ["Nodule"],
    }


def test_each_workflow_needs_its_own_inputs(write: Write, bundles: Path):
    file = write()
    (found,) = problems_of(file, run_id="evaluating")
    assert found == "train.yaml: checkpoint: name the weights to evaluate: --checkpoint FILE."
    (found,) = problems_of(file, run_id="evaluating", overrides={"checkpoint": "absent.pt"})
    assert found == "command line: checkpoint: absent.pt: no such checkpoint."
    (file.parent / "run").mkdir()
    (file.parent / "run/model.pt").write_bytes(b"weights")
    (found,) = problems_of(file, run_id="evaluating", overrides={"checkpoint": str(file.parent / "run")})
    assert found.endswith("run is a folder. Name the weights in it: --checkpoint run/model.pt")
    # Training needs none.
    assert problems_of(file, overrides={"checkpoint": "absent.pt"}) == []
    (found,) = problems_of(file, run_id="trianing")
    assert found == (
        "there is no workflow 'trianing' in this config. Did you mean 'training'? There are training, evaluating."
    )


def test_a_good_datalist_passes(write: Write, datalist: Write):
    report = check_files([write({"datalist": str(datalist())})])
    assert report.problems == ()
    assert "datalist list.json and every file that it names: training 2, validation 2, test 2" in report.facts


def item(image: str, patient: str, label: object) -> dict[str, Any]:
    return {"image": image, "patient": patient, "label": [label]}


DATALISTS = {
    "crossing": (
        {"test": [item("test0.png", "training0", 1)]},
        "1 patient in more than one of training, validation, test: 'training0' in training and test",
    ),
    "empty section": (
        {"test": []},
        "section 'test' holds no item, and is needed (items: training 2, validation 2, test 0).",
    ),
    "missing image": ({"test": [item("absent.png", "x", 1)]}, "absent.png: "),
    "label": ({"test": [item("test0.png", "x", 7)]}, "label 7: allowed are 1 present"),
    "certainty": (
        {"test": [item("test0.png", "x", 0.5)]},
        "test0.png: label 0.5 is a certainty; evaluation needs 1, 0, -1 or null. There are 1 such labels in test.",
    ),
    "no findings": ({"findings": []}, "'findings' must be a list of one name or more"),
}


@pytest.mark.parametrize(("changes", "text"), DATALISTS.values(), ids=DATALISTS)
def test_bad_datalists(write: Write, datalist: Write, changes: dict[str, Any], text: str):
    found = problems_of(write(), overrides={"datalist": str(datalist(**changes))})
    assert any(line.startswith("command line: datalist: list.json: ") and text in line for line in found), found


def test_sections_that_a_component_asks_for_are_needed(write: Write, datalist: Write):
    given = {"datalist": str(datalist(validation=[]))}
    for expression, count in (("$@data.training()", 0), ("$@data.evaluation('validation')", 1)):
        file = write({"train#dataset#samples": expression})
        assert len(problems_of(file, overrides=given)) == count


def test_a_section_that_is_no_name_is_one_problem(write: Write, datalist: Write):
    (found,) = problems_of(write({"section": ["test"]}), overrides={"datalist": str(datalist())})
    assert found == "train.yaml: section: ['test'] is a list, but Launch's section is of type str."


def test_certainties_are_allowed_if_the_config_decides_them(write: Write, datalist: Write):
    expression = "$uncertain_labels.counted(@data.samples(@section))"
    modules = ("engines", "networks.pooling", "annotations.uncertain_labels")
    imports = [f"$import app.{module} as {module.split('.')[-1]}" for module in modules]
    changes = {"imports": imports, "test#dataset#samples": expression}
    given = {"datalist": str(datalist(test=[item("test0.png", "x", 0.75)]))}
    assert problems_of(write(changes), overrides=given) == []


def test_sampling_needs_items_of_both_kinds(write: Write, datalist: Write):
    sampler = {"_target_": "app.datalist.sampling.BalancedSampler", "labels": "$@data.labels('training')"}
    file = write({"train#dataloader#sampler": sampler})
    changed = datalist(training=[item("training1.png", "x", 1)])
    (found,) = problems_of(file, overrides={"datalist": str(changed)})
    assert "items of both kinds; there are 1 with a finding and 0 without (train#dataloader#sampler)." in found
    assert problems_of(file, overrides={"datalist": str(datalist())}) == []


def test_a_finding_that_cannot_be_learnt_is_a_warning(write: Write, datalist: Write):
    report = check_files([write()], {"datalist": str(datalist(training=[item("training1.png", "x", 0)]))})
    assert report.problems == ()
    (warning,) = report.warnings
    assert str(warning) == ("command line: datalist: list.json: no training image shows 'Nodule': it cannot be learnt.")


TRACKING = {
    "file": (
        "file:///data/mlruns",
        "is a file store, which MLflow no longer writes. Use a database (sqlite:///mlflow.db)",
    ),
    "path": ("./mlruns", "is a file store"),
    "no file": ("sqlite://", "names no file"),
    "misspelt": ("htp://host:5000", "unknown kind 'htp'. Did you mean 'http'?"),
    "no host": ("http://", "names no host"),
}


@pytest.mark.parametrize(("address", "text"), TRACKING.values(), ids=TRACKING)
def test_addresses_that_cannot_be_written_to(write: Write, monkeypatch: pytest.MonkeyPatch, address: str, text: str):
    file = write({"train#trainer#train_handlers": [{"_target_": "MLFlowHandler", "tracking_uri": address}]})
    (found,) = problems_of(file)
    assert found.startswith("train.yaml: train#trainer#train_handlers#0#tracking_uri: ")
    assert text in found
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert any(
        line.startswith("environment variable MLFLOW_TRACKING_URI: ") and text in line for line in problems_of(file)
    )


def test_an_output_folder_that_cannot_be_made(write: Write, bundles: Path):
    (bundles / "file").touch()
    (found,) = problems_of(write({"output_dir": "file/out"}))
    assert found == f"train.yaml: output_dir: file/out: {bundles / 'file'} is a file, not a folder for results."


def test_nothing_of_a_config_runs(write: Write, bundles: Path):
    touch = "$__import__('pathlib').Path('ran').touch()"
    file = write({"network#findings": touch, "initialize": [touch], "imports": [touch], "phantoms#count": touch})
    before = set(sys.modules)
    check_files([file], trust=True)
    check_files([file])
    assert not (bundles / "ran").exists()
    assert not (bundles / "out").exists()
    assert not {name for name in set(sys.modules) - before if name.split(".")[0] in ("torch", "monai", "mlflow")}


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_every_bundle_passes(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in ("image.png", "model.pt"):
        (tmp_path / name).write_text("not looked into")
    # Published data may be missing here, or the memory for it; the config is not at fault.
    configs, of_this_computer = bundle / "configs", ("GB at least", "no such datalist")
    over = [path for path in sorted(configs.glob("*.yaml")) if path.name not in ("train.yaml", "inference.yaml")]
    for files in ([configs / "train.yaml"], *([configs / "train.yaml", path] for path in over)):
        assert [line for line in problems_of(*files) if not any(text in line for text in of_this_computer)] == []
    weights = {"checkpoint": str(tmp_path / "model.pt")}
    assert problems_of(configs / "train.yaml", run_id="evaluating", overrides=weights) == []
    assert problems_of(configs / "inference.yaml", overrides=weights | {"dataset_dir": str(tmp_path)}) == []
