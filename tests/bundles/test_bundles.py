"""Every bundle keeps the rules of MONAI's own tools and of the model zoo's check."""

import json
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser, ckpt_export, verify_net_in_out

from app.engines.device import MixedPrecisionInferer
from app.engines.runtimes import PACKAGES, inferer_of

ROOT = Path(__file__).parents[2]
BUNDLES = sorted(path.parent.parent for path in ROOT.glob("bundles/*/configs/train.yaml"))

# What the model zoo's ci/verify_bundle.py asks for.
TRAINING_IDS = (
    "bundle_root",
    "device",
    "dataset_dir",
    "train::trainer",
    "train::trainer::max_epochs",
    "train::dataset",
)
TRAINING_IDS += ("train::inferer",)
INFERENCE_IDS = ("bundle_root", "device", "dataset_dir", "dataset", "evaluator", "network_def", "inferer")
METADATA_KEYS = ("version", "monai_version", "pytorch_version", "numpy_version", "changelog")

pytestmark = pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)


def parser(bundle: Path, name: str) -> ConfigParser:
    """The config as MONAI reads it."""
    found = ConfigParser()
    found.read_config(bundle / "configs" / name)
    return found


def test_holds_what_the_model_zoo_asks_for(bundle: Path) -> None:
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    assert [key for key in METADATA_KEYS if key not in metadata] == []
    assert metadata["version"] in metadata["changelog"]
    for name in ("LICENSE", "models/model.pt", "configs/inference.yaml", "docs/README.md"):
        assert (bundle / name).is_file(), name


@pytest.mark.parametrize(("name", "ids"), [("train.yaml", TRAINING_IDS), ("inference.yaml", INFERENCE_IDS)])
def test_configs_have_the_model_zoos_ids(bundle: Path, name: str, ids: tuple[str, ...]) -> None:
    config = parser(bundle, name)
    assert [each for each in ids if each not in config] == []


def test_training_and_evaluating_are_runs_of_one_file(bundle: Path) -> None:
    config = parser(bundle, "train.yaml")
    assert {"initialize", "training", "evaluating"} <= set(config.get())
    options = ("datalist", "output_dir", "max_epochs", "seed", "image_size", "batch_size", "start_from", "checkpoint")
    assert [option for option in (*options, "section") if option not in config] == []


@pytest.mark.parametrize("name", ["train.yaml", "inference.yaml"])
def test_what_a_box_is_drawn_as_is_said(bundle: Path, name: str) -> None:
    drawing = parser(bundle, name)["preprocessing"]["transforms"][-1]
    # Kim et al. draw ellipses in boxes around nodules; all others take boxes for what they are.
    assert drawing["ellipses"] is (bundle.name == "nodule_detection")


def test_patches_are_regions_where_the_paper_has_them(bundle: Path) -> None:
    evaluators = [parser(bundle, "train.yaml")["sections"], parser(bundle, "inference.yaml")["evaluator"]]
    expected = "@patches" if bundle.name == "limited_annotation" else None
    assert [evaluator.get("reading", {}).get("patches") for evaluator in evaluators] == [expected] * 2
    if expected:
        assert [parser(bundle, name)["patches"] for name in ("train.yaml", "inference.yaml")] == [True, True]


def test_network_fits_what_metadata_says(bundle: Path) -> None:
    # Raises where channels or type differ.
    verify_net_in_out(
        "network_def",
        meta_file=str(bundle / "configs" / "metadata.json"),
        config_file=str(bundle / "configs" / "inference.yaml"),
        device="cpu",
    )


def test_shipped_weights_export_to_torchscript_and_say_the_same(bundle: Path, tmp_path: Path) -> None:
    exported = tmp_path / "model.ts"
    ckpt_export(
        "network_def",
        filepath=str(exported),
        ckpt_file=str(bundle / "models" / "model.pt"),
        meta_file=str(bundle / "configs" / "metadata.json"),
        config_file=str(bundle / "configs" / "inference.yaml"),
    )
    network = parser(bundle, "inference.yaml").get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(bundle / "models" / "model.pt", weights_only=True))
    image = torch.rand(1, 1, 256, 256, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        score, here = torch.jit.load(str(exported)).eval()(image)
        expected = network(image)
    torch.testing.assert_close(score, expected.score)
    torch.testing.assert_close(here, expected.map)


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_shipped_weights_are_computed_alike_by_other_programs(
    bundle: Path, runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(PACKAGES[runtime][-1])
    network = parser(bundle, "inference.yaml").get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(bundle / "models" / "model.pt", weights_only=True))
    torch_inferer = MixedPrecisionInferer("float32", torch.device("cpu"))
    images = torch.rand(3, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    inferer = inferer_of(runtime, torch_inferer, tmp_path / "model.pt")
    with torch.no_grad():
        expected, prediction = torch_inferer(images, network), inferer(images, network)
        alone = inferer(images[2:], network)
    for ours, theirs in zip(prediction, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    # Scores of an image do not depend on the others of its batch.
    assert torch.equal(alone.score, prediction.score[2:])
    assert torch.equal(alone.map, prediction.map[2:])


def test_train_and_inference_describe_one_network_and_one_preparation(bundle: Path) -> None:
    train, inference = parser(bundle, "train.yaml"), parser(bundle, "inference.yaml")
    assert set(train["network_def"]) == set(inference["network_def"])
    targets = [[step["_target_"] for step in config["preprocessing"]["transforms"]] for config in (train, inference)]
    assert targets[0] == targets[1]
    shared = set(train.get()) & set(inference.get()) & {"image_size", "blocks", "growth", "stem", "pixel_level"}
    assert {key: train[key] for key in shared} == {key: inference[key] for key in shared}
