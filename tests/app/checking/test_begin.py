"""The check that begins every run of a bundle, within MONAI's own machinery."""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser, create_workflow
from monai.bundle.reference_resolver import ReferenceResolver

from app.checking import CheckError, check_files, load
from app.checking.ids import normal, references, walk
from app.engines import RadiographWorkflow, begin

ROOT = Path(__file__).parents[3]
TRAIN = ROOT / "bundles/lung_segmentation/configs/train.yaml"


def refused(config_file: str | list[str], **overrides: Any) -> str:
    """The message with which a training is refused."""
    with pytest.raises(RuntimeError, match="Failed to evaluate") as caught:
        create_workflow(RadiographWorkflow, config_file, workflow_type="train", run_id="training", **overrides)
    assert isinstance(caught.value.__cause__, CheckError)
    return str(caught.value.__cause__)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Folders for the data and results of a run that is not refused."""
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return {"dataset_dir": str(tmp_path / "data"), "output_dir": str(tmp_path / "out")}


def test_a_run_is_refused_with_all_problems_before_data_is_made(places: dict[str, str], tmp_path: Path):
    wrong = {"max_epoch": 3, "batch_size": "abc", "train#trainer#amps": True, "datalist": "absent.json"}
    text = refused(str(TRAIN), **wrong, **places)
    assert text.startswith("this configuration cannot run, nothing was done: 4 problems (training):\n")
    for name in wrong:
        assert f"  command line: {name}: " in text
    assert not (tmp_path / "data").exists()


def test_untrusted_code_is_refused_without_trust(places: dict[str, str], tmp_path: Path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("batch_size: $2 + 2\nmax_epochs: 0\n")
    text = refused([str(TRAIN), str(mine)], **places)
    assert f"{mine}: batch_size: a config from outside of the installation would run '$2 + 2'." in text
    assert "2 problems" in text
    # With trust, only the other mistake remains.
    assert "1 problem (training):\n  " in refused([str(TRAIN), str(mine)], trust=True, **places)


def test_a_good_config_begins(places: dict[str, str], tmp_path: Path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("batch_size: 4\n")
    files = [str(TRAIN), str(mine)]
    # Without the network, which asks for the data.
    begin = {"initialize": ["$engines.begin(@output_dir, @seed, @configuration)"]}
    workflow = create_workflow(RadiographWorkflow, files, workflow_type="train", run_id="training", **places, **begin)
    assert workflow.parser["batch_size"] == 4
    assert not (tmp_path / "data").exists()


def test_references_are_found_as_monai_finds_them():
    # Expected: MONAI's own resolver, for all bundles.
    for path in sorted(ROOT.glob("bundles/*/configs/train.yaml")):
        for identifier, value in walk(ConfigParser.load_config_file(path)):
            if isinstance(value, str):
                expected = {normal(name) for name in ReferenceResolver.match_refs_pattern(value)}
                assert set(references(value, identifier)) == expected, (path, identifier)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("output_dir", 2025, "2025 is read as a whole number, not as a file or folder"),
        ("dataset_dir", 2024, "2024 is read as a whole number, not as a file or folder"),
        ("prepared_dir", 1e3, "1000.0 is read as a number, not as a file or folder"),
        ("output_dir", True, "True is read as true or false, not as a file or folder"),
        ("datalist", 7, "7 is read as a whole number, not as a file or folder"),
        ("start_from", 2025, "2025 is a whole number, but started_network's start_from is of type str"),
        ("output_dir", "runs/exp #3", "'runs/exp #3': MONAI writes '::' for each '#' in a text"),
        ("dataset_dir", "data #3", "'data #3': MONAI writes '::' for each '#' in a text"),
        ("datalist", "lists #3/d.json", "'lists #3/d.json': MONAI writes '::' for each '#' in a text"),
        ("start_from", "run #3.pt", "'run #3.pt': MONAI writes '::' for each '#' in a text"),
    ],
)
def test_values_that_name_no_file_or_folder_are_refused_in_one_sentence(
    places: dict[str, str], tmp_path: Path, key: str, value: Any, sentence: str
):
    before = sorted(Path.cwd().iterdir())
    text = refused(str(TRAIN), **places | {key: value})
    assert f"command line: {key}: {sentence}" in text
    assert sorted(Path.cwd().iterdir()) == before
    assert not (tmp_path / "data").exists()


def test_paths_of_an_inference_are_checked_too(places: dict[str, str]):
    config = str(ROOT / "bundles/lung_segmentation/configs/inference.yaml")
    for key, value in (("checkpoint", "a#1.pt"), ("dataset_dir", 2024), ("output_dir", 2025), ("prepared_dir", "p#")):
        report = check_files([config], places | {key: value}, "run")
        assert any(f"{key}: " in str(problem) for problem in report.problems), key


def test_begin_refuses_an_output_folder_that_is_no_text():
    with pytest.raises(ValueError, match="output_dir: 2025 is read as a whole number"):
        begin(2025, 0)


def merged_by_monai(files: list[Path]) -> object:
    """MONAI's own merging, with the separators as we write them."""
    return ConfigParser.load_config_files([str(file) for file in files])


MERGES = [
    "max_epochs: 3\n",
    "train::trainer::amp: true\ntrain#trainer#max_epochs: 4\n",
    "+phantoms: {size: 64}\n+train::dataset::transform::transforms: [{_target_: RandFlipd, keys: image}]\n",
    "train::dataset::transform::transforms::0: {_target_: RandFlipd, keys: image}\n",
    "+train::dataset::transform::transforms::0: {clip_limit: 0.5}\n",
    "+train::dataset::transform::transforms::1::keys: [mask]\n",
    "a: &a {b: 1}\nc: *a\nc::b: 2\n",
    "train: null\n",
]


@pytest.mark.parametrize("text", MERGES)
def test_files_are_merged_as_monai_merges_them(write: Callable[..., Path], bundles: Path, text: str):
    (bundles / "more.yaml").write_text(text)
    files = [write(), Path("more.yaml")]
    assert load(files).config == merged_by_monai(files)


@pytest.mark.filterwarnings("ignore:Failed to|parsing config")
@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("seed: $open('executed', 'w')\n", "seed"),
        ("output_dir: $import executing\n", "seed"),
        ("_meta_: {x: \"$open('executed', 'w')\"}\nseed: '@_meta_::x'\n", "seed"),
        ("network: {_target_: os.system, command: touch executed}\n", "network"),
        ("network: {_target_: LoadImaged, keys: image, reader: executing.Reader}\n", "network"),
    ],
)
def test_the_hostile_configs_run_if_nothing_refuses_them(
    write: Callable[..., Path], bundles: Path, content: str, name: str
):
    # Otherwise the refusals of test_trust would prove nothing.
    (bundles / "executing.py").write_text("open('executed', 'w')\n")
    sys.path.insert(0, str(bundles))
    try:
        (bundles / "more.yaml").write_text(content)
        parser = ConfigParser()
        parser.read_config([str(write()), "more.yaml"])
        with contextlib.suppress(Exception):
            parser.get_parsed_content(name)
    finally:
        sys.path.remove(str(bundles))
        sys.modules.pop("executing", None)
    assert Path("executed").exists()
