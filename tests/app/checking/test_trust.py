"""What an untrusted config may hold: values of known settings and components of a list, and nothing else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.checking import CheckError, check_files
from app.checking.allowed import ALLOWED, allowed_arguments
from app.checking.signatures import signature_of
from app.checking.trust import REMEDY, VARIABLE, is_trusted
from app.cli import main
from app.sweeps.study_file import read_sweep

ROOT = Path(__file__).parents[3]
Write = Callable[..., Path]


@pytest.fixture
def elsewhere(write: Write, tmp_path: Path) -> Callable[..., list[str]]:
    """The problems of the small config with untrusted files (given as mappings or as text) after it."""

    def problems(*contents: Any, name: str = "mine.yaml", **how: Any) -> list[str]:
        files = [write()]
        for number, content in enumerate(contents):
            file = tmp_path / f"{number}{name}"
            text = json.dumps(content) if name.lower().endswith("json") else yaml.safe_dump(content, sort_keys=False)
            file.write_text(content if isinstance(content, str) else text)
            files.append(file)
        return [str(problem) for problem in check_files(files, **how).problems]

    return problems


def test_bundles_of_this_repository_are_trusted_and_copies_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    own = ROOT / "bundles/nodule_detection/configs/train.yaml"
    copy = tmp_path / "bundles/nodule_detection/configs/train.yaml"
    copy.parent.mkdir(parents=True)
    copy.symlink_to(own)
    assert is_trusted(own)
    assert is_trusted(copy)  # it is the same file
    copy.unlink()
    copy.write_text(own.read_text())
    assert not is_trusted(copy)
    monkeypatch.setenv(VARIABLE, f"/nowhere:{tmp_path / 'bundles'}")
    assert is_trusted(copy)
    assert not is_trusted(tmp_path / "bundles/../mine.yaml")


RUN = "$open('executed', 'w')"
SYSTEM = {"_target_": "os.system", "command": "touch executed"}
READER = {"_target_": "LoadImaged", "keys": ["image"], "reader": "os.system"}
# (content of the file, id of the first refusal)
HOSTILE: dict[str, tuple[Any, str]] = {
    "expression": ({"max_epochs": RUN}, "max_epochs"),
    "expression in a list": ({"network::blocks": [6, RUN]}, "network#blocks#1"),
    "expression in a mapping": ({"phantoms": {"count": RUN}}, "phantoms#count"),
    "expression that extends a mapping": ({"+phantoms": {"count": RUN}}, "phantoms#count"),
    "expression deep": ({"train::trainer::max_epochs": RUN}, "train#trainer#max_epochs"),
    "expression by the old separator": ({"train#trainer#max_epochs": RUN}, "train#trainer#max_epochs"),
    "expression in a new group": ({"train::mine": {"deeper": [{"still": RUN}]}}, "train#mine#deeper#0#still"),
    "import as a value": ({"output_dir": "$import executing"}, "output_dir"),
    "import": ({"imports": ["$import executing"]}, "imports"),
    "import that extends": ({"+imports": ["$import executing"]}, "imports"),
    "import in place of one": ({"imports::1": "$import executing as pooling"}, "imports"),
    "step before the check": ({"initialize": [RUN, "$engines.begin(@output_dir, @seed)"]}, "initialize"),
    "no check": ({"initialize": []}, "initialize"),
    "step of the workflow": ({"+training": [RUN]}, "training"),
    "step at the end": ({"finalize": [RUN]}, "finalize"),
    "meta data": ({"_meta_": {"x": RUN}, "output_dir": "@_meta_::x"}, "_meta_"),
    "meta data within": ({"phantoms": {"_meta_": {"x": RUN}}}, "phantoms#_meta_"),
    "new setting": ({"mine": RUN, "output_dir": "@mine"}, "output_dir"),
    "callable": ({"launch": SYSTEM}, "launch#_target_"),
    "callable in a trusted component": ({"launch::_target_": "os.system"}, "launch#_target_"),
    "callable as an argument": ({"network::pooling": SYSTEM}, "network#pooling#_target_"),
    "callable in a value": ({"phantoms": {"count": SYSTEM}}, "phantoms#count#_target_"),
    "callable in a list": ({"phantoms": {"findings": [SYSTEM]}}, "phantoms#findings#0#_target_"),
    "callable through torch": ({"loss": {"_target_": "torch.os.system", "command": "touch executed"}}, "loss"),
    "target that is code": ({"network::_target_": "$print"}, "network#_target_"),
    "target that is a reference": ({"network::_target_": "@launch"}, "network#_target_"),
    "target with a space": ({"network::_target_": " app.networks.ResNet"}, "network#_target_"),
    "target of an allowed module that is imported there": (
        {"optimizer::_target_": "torch.optim.lr_scheduler.Counter"},
        "optimizer#_target_",
    ),
    "function of an allowed module": (
        {"optimizer::_target_": "torch.optim.lr_scheduler.warnings.warn"},
        "optimizer#_target_",
    ),
    "unpickling": ({"network::pooling": {"_target_": "torch.load", "f": "x.pt"}}, "network#pooling#_target_"),
    "unpickling decoder": (
        {
            "network::pooling": {
                "_target_": "torch.utils.data.datapipes.utils.decoder.basichandlers",
                "extension": "pickle",
                "data": "x",
            }
        },
        "network#pooling#_target_",
    ),
    "download": ({"network::pooling": {"_target_": "torch.hub.load", "repo_or_dir": "x"}}, "network#pooling#_target_"),
    "another run": ({"network::pooling": {"_target_": "monai.bundle.run"}}, "network#pooling#_target_"),
    "reader by name": ({"+train::dataset::transform::transforms": [READER]}, "train#dataset#transform#transforms#2"),
    "reader by full name": (
        {"+train::dataset::transform::transforms": [READER | {"_target_": "monai.transforms.LoadImaged"}]},
        "train#dataset#transform#transforms#2",
    ),
    "writer by name": (
        {
            "+train::dataset::transform::transforms": [
                {"_target_": "SaveImaged", "keys": "image", "writer": "os.system"}
            ]
        },
        "train#dataset#transform#transforms#2",
    ),
    "function of a library by name": (
        {"train::dataset::transform::transforms::0": {"_target_": "TorchVisiond", "keys": "image", "name": "os"}},
        "train#dataset#transform#transforms#0",
    ),
    "function as an argument": (
        {"train::dataset::transform::transforms::0": {"_target_": "Lambdad", "keys": "image", "func": "@imports::0"}},
        "train#dataset#transform#transforms#0",
    ),
    "text where numbers belong": (
        {
            "train::dataset::transform::transforms::0": {
                "_target_": "RandCropByPosNegLabeld",
                "keys": "image",
                "label_key": "os.system",
            }
        },
        "train#dataset#transform#transforms#0#label_key",
    ),
    "text by way of a setting": (
        {
            "output_dir": "os.system",
            "train::dataset::transform::transforms::0": {
                "_target_": "ScaleIntensityd",
                "keys": "image",
                "dtype": "@output_dir",
            },
        },
        "train#dataset#transform#transforms#0#dtype",
    ),
    "text that is none of the words": ({"train::inferer::precision": "os.system"}, "train#inferer#precision"),
    "text for a class that is not on the list": ({"data::folder": "/somewhere"}, "data#folder"),
    "text in the place of a component": ({"optimizer": "torch.optim.Adam"}, "optimizer"),
    "mapping in the place of a component": ({"network": {"findings": 1}}, "network"),
    "argument that is not on the list": (
        {"train::trainer::event_names": ["executing"]},
        "train#trainer#event_names",
    ),
    "handlers": ({"train::trainer::train_handlers": [SYSTEM]}, "train#trainer#train_handlers"),
    "expression as an argument of an allowed class": ({"network::findings": RUN}, "network#findings"),
    "expression as weights": ({"optimizer::params": RUN}, "optimizer#params"),
    "schedule by a function": (
        {"optimizer": {"_target_": "torch.optim.lr_scheduler.LambdaLR", "optimizer": "@launch", "lr_lambda": RUN}},
        "optimizer#lr_lambda",
    ),
    "reference to what runs": ({"network::pooling": "@training::0"}, "network#pooling"),
    "reference to an import": ({"network::pooling": "@imports::0"}, "network#pooling"),
    "reference as a setting": ({"output_dir": "@training"}, "output_dir"),
    "debugger": ({"network::_mode_": "debug"}, "network#_mode_"),
    "callable mode": ({"optimizer::_mode_": "callable"}, "optimizer#_mode_"),
    "debugger of an optimiser": ({"optimizer::_debug_": True}, "optimizer#_debug_"),
    "requirement": ({"network::_requires_": [RUN]}, "network#_requires_"),
    "component switched off": ({"launch::_disabled_": True}, "launch#_disabled_"),
    "description that is evaluated": ({"network::_desc_": RUN}, "network#_desc_"),
    "macro": ({"max_epochs": "%network"}, "max_epochs"),
    "macro of a file": ({"network": "%/tmp/other.yaml::network"}, "network"),
    "relative macro": ({"phantoms": {"count": "%#seed"}}, "phantoms#count"),
    "id within an id": ({"phantoms": {"a::_target_": "os.system"}}, "phantoms#a::_target_"),
    "trust": ({"trust": True, "max_epochs": RUN}, "max_epochs"),
    "expression as a setting of every bundle": ({"pictures": RUN}, "pictures"),
    "bytes": ("output_dir: !!binary aGVsbG8=\n", "output_dir"),
    "a date": ("output_dir: 2025-01-01\n", "output_dir"),
    "merged by an alias": (f'phantoms: &a {{count: "{RUN}"}}\nfinding_groups: *a\n', "phantoms#count"),
}


@pytest.mark.parametrize(("content", "place"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused_and_nothing_runs(elsewhere: Write, bundles: Path, content: Any, place: str):
    found = elsewhere(content)
    assert any(f"0mine.yaml: {place}" in line or line.startswith(f"train.yaml: {place}") for line in found), found
    assert any(REMEDY in line or "is no setting of this bundle" in line for line in found), found
    assert not (bundles / "executed").exists()


@pytest.mark.parametrize("name", [".json", ".JSON", ".yml"])
def test_json_and_other_suffixes_are_refused_alike(elsewhere: Write, name: str):
    # JSON can be read as YAML.
    (found,) = elsewhere(json.dumps({"max_epochs": RUN}), name=name)
    assert f"0{name}: max_epochs: a config from outside of the installation would run {RUN!r}" in found


KEYS = [" max_epochs", "max_epochs ", "train ::trainer::max_epochs", "network::-1", "network::", "++phantoms", "1", ""]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_monai_may_read_as_another_is_refused(elsewhere: Write, key: str):
    assert elsewhere({key: {"count": 3}})


def test_two_untrusted_files_may_do_no_more_than_one(elsewhere: Write):
    found = elsewhere({"network::pooling": {"_target_": "app.networks.pooling.MaxPooling"}}, {"network::pooling::x": 1})
    assert any("1mine.yaml: network#pooling#x" in line and REMEDY in line for line in found)
    found = elsewhere({"network::pooling::command": "touch executed"}, {"network::pooling::_target_": "os.system"})
    assert found


def test_an_untrusted_file_cannot_be_the_first(write: Write, tmp_path: Path):
    (tmp_path / "metadata.json").write_text(json.dumps({"x": "$import executing"}))
    mine = tmp_path / "mine.yaml"
    mine.write_text("max_epochs: 3\n")
    found = [str(problem) for problem in check_files([mine, write()]).problems]
    assert found[0].startswith(
        f"{mine}: this config from outside of the installation stands first: MONAI takes metadata.json"
    )
    assert check_files([mine, write()], trust=True).problems == ()


def test_a_whole_untrusted_config_is_refused_with_everything_that_it_runs(
    write: Write, bundles: Path, monkeypatch: pytest.MonkeyPatch
):
    file = write()
    monkeypatch.setenv(VARIABLE, "")
    found = [str(problem) for problem in check_files([file]).problems]
    begin, opened = "$engines.begin(@output_dir, @seed)", "app.phantoms.opened.open_data"
    assert f"train.yaml: initialize#0: a config from outside of the installation would run {begin!r}. {REMEDY}" in found
    assert f"a config from outside of the installation holds {opened!r}, which is called. {REMEDY}" in "\n".join(found)
    # By hand: one for each expression and each target, and one because the file stands first.
    assert len(found) == 1 + file.read_text().count("$") + file.read_text().count("_target_")
    assert check_files([file], trust=True).problems == ()


@pytest.mark.parametrize("value", ["%{other}::pooling", "%{trusted}::pooling"])
def test_macros_may_only_name_trusted_files_also_within_these(write: Write, bundles: Path, tmp_path: Path, value: str):
    (tmp_path / "other.yaml").write_text(f"pooling: {RUN}\n")
    (bundles / "between.yaml").write_text(f'pooling: "%{tmp_path}/other.yaml::pooling"\n')
    value = value.format(other=tmp_path / "other.yaml", trusted="between.yaml")
    written, typed = write({"network#pooling": value}, "written.yaml"), {"network#pooling": value}
    for file, overrides in ((written, {}), (write(), typed)):
        found = [str(problem) for problem in check_files([file], overrides).problems]
        assert [
            line for line in found if "other.yaml::pooling' names a config from outside of the installation." in line
        ]
    assert not (bundles / "executed").exists()


def test_endless_macros_are_found(write: Write):
    found = [str(each) for each in check_files([write({"phantoms": {"count": "%phantoms"}})]).problems]
    assert any("these macros name each other" in line for line in found)


HONEST: dict[str, Any] = {
    "settings": {"max_epochs": 3, "learning_rate": 0.01, "output_dir": "runs/mine", "pixel_level": False},
    "mapping": {"phantoms": {"count": 4, "seed": 1, "size": 256, "findings": ["Effusion"]}},
    "part of a mapping": {"phantoms::count": 5, "+phantoms": {"size": 256}},
    "setting that the bundle computes": {"device": "cuda:0"},
    "argument": {"train::trainer::amp": True, "train#trainer#decollate": False, "network::growth": 8},
    "words": {"train::inferer::precision": "bfloat16", "train::dataset::on_error": "exclude"},
    "another loss": {"train::trainer::loss_function": {"_target_": "app.losses.MultipleInstanceLoss"}},
    "losses": {
        "train::trainer::loss_function": {
            "_target_": "app.losses.WeightedSum",
            "losses": [{"_target_": "app.losses.KnownLabelBCELoss"}, {"_target_": "app.losses.PixelBCELoss"}],
            "weights": [1.0, "@learning_rate"],
        }
    },
    "another optimiser": {
        "optimizer": {
            "_target_": "torch.optim.SGD",
            "params": "$@network.parameters()",  # as the bundle writes it
            "lr": "@learning_rate",
            "momentum": 0.9,
            "nesterov": True,
        }
    },
    "another optimiser in part": {"optimizer::_target_": "torch.optim.AdamW", "optimizer::betas": [0.9, 0.99]},
    "another pooling": {"network::pooling": {"_target_": "app.networks.pooling.LogSumExpPooling", "sharpness": 4}},
    "MONAI's transforms": {
        "+train::dataset::transform::transforms": [
            {"_target_": "RandFlipd", "keys": ["image", "mask"], "prob": 0.5, "spatial_axis": 1},
            {"_target_": "monai.transforms.RandAffined", "keys": "image", "prob": 1.0, "mode": "bilinear"},
        ]
    },
    "our transform": {
        "train::dataset::transform::transforms::0": {
            "_target_": "transforms.CLAHEd",
            "keys": ["image"],
            "tiles": [4, 4],
        }
    },
    "no schedule": {"train::inferer": None},
    "references": {"train::trainer::network": "@network", "train::dataloader::batch_size": "@batch_size"},
    "null": {"datalist": None, "checkpoint": None},
}


@pytest.mark.parametrize("content", HONEST.values(), ids=HONEST)
def test_harmless_files_need_no_trust(elsewhere: Write, content: dict[str, Any]):
    found = elsewhere(content)
    assert not [line for line in found if "outside of the installation" in line or "no setting" in line], found


@pytest.mark.parametrize("published", sorted(ROOT.glob("bundles/*/configs/published.yaml")), ids=lambda p: p.parts[-3])
def test_copies_of_the_published_forms_need_no_trust(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    copy = tmp_path / "mine.yaml"
    copy.write_text(published.read_text())
    for overlay in (published, copy):
        assert check_files([published.with_name("train.yaml"), overlay]).problems == ()


STUDIES = {
    "fixed": ({"fixed": {"device": RUN}}, "device"),
    "import": ({"fixed": {"output_dir": "x", "imports": ["$import executing"]}}, "imports"),
    "factor": ({"factors": {"max_epochs": [1, 2], "x": {"a": {"train#trainer#amp": RUN}}}}, "train#trainer#amp"),
    "target": ({"fixed": {"launch#_target_": "os.system"}}, "launch#_target_"),
    "two factors": (
        {
            "factors": {
                "a": {"x": {"network#pooling": {"_target_": "app.networks.pooling.MaxPooling"}}},
                "b": {"y": {"network#pooling#_target_": "os.system"}},
            }
        },
        "network#pooling#_target_",
    ),
    "macro": ({"fixed": {"batch_size": "%seed"}}, "batch_size"),
}


@pytest.mark.parametrize(("content", "place"), STUDIES.values(), ids=STUDIES)
def test_untrusted_study_files_are_refused_alike(
    write: Write, bundles: Path, tmp_path: Path, content: dict[str, Any], place: str
):
    file = tmp_path / "study.yaml"
    study = {"name": "s", "bundle": str(write()), "factors": {"max_epochs": [1, 2]}} | content
    study["fixed"] = {key: value for key, value in study.get("fixed", {}).items() if key != "output_dir"}
    file.write_text(yaml.safe_dump(study, sort_keys=False))
    with pytest.raises(ValueError, match=rf"this study may not run:\n  {file}: {place}: a config from outside"):
        read_sweep(file)
    assert read_sweep(file, trust=True).trust
    own = bundles / "study.yaml"
    own.write_text(file.read_text())
    assert not read_sweep(own).trust
    assert not (bundles / "executed").exists()


def test_a_harmless_study_needs_no_trust_but_its_configs_are_checked(write: Write, tmp_path: Path):
    file, mine = tmp_path / "study.yaml", tmp_path / "mine.yaml"
    mine.write_text("seed: 3\n")
    # The study in docs/studies.md, without its data.
    factors = {"level": {"contour": {"pixel_level": True}, "image": {"pixel_level": False}}, "learning_rate": [0.1, 1]}
    fixed = {"max_epochs": 20, "train#trainer#amp": False}
    study = {"name": "s", "bundle": [str(write()), str(mine)], "fixed": fixed, "factors": factors}
    file.write_text(yaml.safe_dump(study))
    assert len(read_sweep(file).cells) == 4
    mine.write_text(f"seed: {RUN}\n")
    with pytest.raises(ValueError, match=rf"{mine}: seed: a config from outside of the installation would run"):
        read_sweep(file)


def test_a_study_of_too_many_cells_is_refused(write: Write, tmp_path: Path):
    file = tmp_path / "study.yaml"
    factors = {f"f{n}": {str(value): {} for value in range(10)} for n in range(20)}
    file.write_text(yaml.safe_dump({"name": "s", "bundle": str(write()), "factors": factors}))
    with pytest.raises(ValueError, match=f"factors: {10**20} combinations; at most 10000 are allowed"):
        read_sweep(file)


@pytest.mark.parametrize("option", ["meta_file", "logging_file", "tracking"])
def test_further_files_of_a_run_must_be_trusted(write: Write, tmp_path: Path, capsys: Any, option: str):
    file = tmp_path / "further.json"
    file.write_text("{}")
    assert main(["check", str(write()), f"--{option}", str(file)]) == 1
    assert (
        f"--{option} {file}: a file from outside of the installation, whose content is not checked."
        in capsys.readouterr().err
    )
    assert main(["check", "--trust", str(write()), f"--{option}", str(file)]) == 0


def test_configs_are_read_in_monais_encoding(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # Cyrillic ha is D1 85 in UTF-8; in ISO 8859-1, byte 85 ends the line, and with it the comment.
    file = tmp_path / "mine.yaml"
    file.write_text(f"# \u0445output_dir: '{RUN.replace(chr(39), chr(34))}'\n", encoding="utf-8")
    with pytest.raises(CheckError, match="not NoneType"):
        check_files([write(), file])
    monkeypatch.setattr("app.checking.files.text_encoding", lambda _: "iso-8859-1")
    (problem,) = check_files([write(), file]).problems
    assert "output_dir: a config from outside of the installation would run" in str(problem)


def test_overrides_that_the_user_types_are_trusted(write: Write):
    assert check_files([write()], {"max_epochs": "$1 + 2"}).problems == ()
    loss = {"_target_": "torch.nn.BCEWithLogitsLoss"}
    assert check_files([write()], {"train#trainer#loss_function": loss}).problems == ()


def test_settings_of_every_bundle_are_allowed(elsewhere: Write):
    assert elsewhere({"pictures": False, "operating_point": "sensitivity 0.9", "prevalence": {"Nodule": 0.02}}) == []


def test_a_misspelt_setting_is_reported_once(elsewhere: Write):
    (found,) = elsewhere({"max_epoch": 3})
    assert found.endswith(
        "max_epoch: 'max_epoch' is no setting of this bundle's own configs. Did you mean 'max_epochs'?"
    )


@pytest.mark.parametrize("target", sorted(ALLOWED))
def test_listed_components_have_the_listed_arguments(target: str):
    allowed, signature = ALLOWED[target], signature_of(target)
    named = {*allowed.numbers.split(), *allowed.components.split(), *(allowed.words or {})}
    assert named <= set(signature.names)


@pytest.mark.parametrize(
    "target",
    [
        "torch.nn.Linear",
        "torch.optim.swa_utils.AveragedModel",
        "torch.optim.lr_scheduler.Optimizer.__init__",
        "monai.transforms.Lambdad",
        "monai.transforms.ToDeviced",
        "monai.transforms.Invertd",
        "Resize",
        "app.networks.started_network",
        "app.networks.lungs.LungSegmenter",
        "app.phantoms.opened.open_data",
        "builtins.eval",
        "Randd",
        None,
        ["os.system"],
    ],
)
def test_targets_that_are_not_allowed(target: object):
    assert allowed_arguments(target) is None
