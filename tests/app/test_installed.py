"""Where bundles, their configs, weights and studies are found, by name or path, from any folder."""

from pathlib import Path

import pytest

from app.cli import main
from app.installed import bundle_names, bundles_folder, find_bundle, find_config, find_file, find_study

ROOT = Path(__file__).parents[2]
WEIGHTS = "bundles/lung_segmentation/models/model.pt"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FRUGAL_TRUSTED", raising=False)
    return tmp_path


def own_bundle(folder: Path) -> Path:
    (folder / "configs").mkdir(parents=True)
    (folder / "configs/train.yaml").write_text("seed: 0\n")
    return folder


def test_the_bundles_are_those_beside_the_package():
    assert bundles_folder() == ROOT / "bundles"
    assert bundle_names() == sorted(path.parent.name for path in ROOT.glob("bundles/*/configs"))


def test_a_name_and_a_path_from_a_checkout_lead_to_the_installed_bundle(elsewhere: Path):
    installed = bundles_folder() / "nodule_detection"
    assert find_bundle("nodule_detection") == installed
    assert find_bundle("bundles/nodule_detection/") == installed
    assert find_bundle(installed) == installed
    assert find_file(WEIGHTS) == bundles_folder() / "lung_segmentation/models/model.pt"


def test_a_folder_of_ones_own_is_found_by_its_path_and_a_name_comes_first(elsewhere: Path):
    own_bundle(elsewhere / "mine")
    own_bundle(elsewhere / "nodule_detection")
    assert find_bundle("mine") == Path("mine")
    assert find_bundle("nodule_detection") == bundles_folder() / "nodule_detection"
    assert find_bundle("./nodule_detection/") == Path("nodule_detection")


def test_what_lies_in_the_working_folder_comes_before_what_is_installed(elsewhere: Path):
    (elsewhere / WEIGHTS).parent.mkdir(parents=True)
    (elsewhere / WEIGHTS).touch()
    assert find_file(WEIGHTS) == Path(WEIGHTS)


@pytest.mark.parametrize("path", ["absent.pt", "bundles/absent.pt", "bundles/../pyproject.toml", "", "bundles"])
def test_a_missing_file_stays_as_it_was_named(elsewhere: Path, path: str):
    assert find_file(path) == Path(path)


def test_configs_and_studies_are_named_below_their_bundle(elsewhere: Path):
    configs = bundles_folder() / "nodule_detection/configs"
    own_bundle(elsewhere / "mine")
    assert find_config("nodule_detection") == configs / "train.yaml"
    assert find_config("nodule_detection/published") == configs / "published.yaml"
    assert find_config("bundles/nodule_detection/configs/published.yaml") == configs / "published.yaml"
    assert find_config("mine") == find_config("mine/train") == Path("mine/configs/train.yaml")
    # A missing file is reported by whoever reads it.
    assert find_config("absent.yaml") == Path("absent.yaml")
    assert find_study("tube_detection/grid") == bundles_folder() / "tube_detection/studies/grid.yaml"
    assert find_study("bundles/tube_detection/studies/grid.yaml") == find_study("tube_detection/grid")


@pytest.mark.parametrize(
    ("find", "text", "message"),
    [
        (
            find_bundle,
            "nodule_detektion",
            r"no such bundle\. Did you mean 'nodule_detection'\? Give one of annotation_",
        ),
        (find_bundle, "", "no such bundle"),
        (find_bundle, "..", "no such bundle"),
        (find_config, "nodule_detektion", "no such bundle. Did you mean 'nodule_detection'"),
        (
            find_config,
            "nodule_detection/publishd",
            "Did you mean 'nodule_detection/published'.* There are: nodule_detection/inference, ",
        ),
        (find_config, "absent/train", "absent: no such bundle"),
        (
            find_study,
            "tube_detection/gird",
            "Did you mean 'tube_detection/grid'.* There are: tube_detection/annotators, tube_detect",
        ),
        (find_study, "tube_detection", r"tube_detection: no such file in .* There are: tube_detection/annotators, "),
        (find_study, "lung_segmentation/any", "There are: none"),
        (find_study, "absent", "absent: no such bundle"),
    ],
)
def test_a_name_that_is_not_there_is_refused_with_those_that_are(elsewhere: Path, find, text: str, message: str):
    with pytest.raises(FileNotFoundError, match=message):
        find(text)


def test_commands_take_names_from_any_folder(elsewhere: Path, capsys: pytest.CaptureFixture):
    assert main(["check", "nodule_detection", "nodule_detection/published"]) == 0
    # The weights that the config names by a relative path are those that are installed.
    assert "weights bundles/lung_segmentation/models/model.pt exist" in capsys.readouterr().out
    assert main(["check", "lung_segmentation/inference", "--dataset_dir", str(ROOT / "tests")]) == 0
    assert main(["check", "nodule_detection/inference", "--output_dir", "absent/out"]) == 1
    assert "  bundles/nodule_detection/configs/inference.yaml: dataset_dir: " in capsys.readouterr().err
    assert main(["study", "tube_detection/grid", "--list"]) == 0
    assert main(["study", "tube_detection/gird", "--list"]) == 1
    assert capsys.readouterr().err.startswith("frugal: error: tube_detection/gird: no such file in")


def test_bundles_are_listed_with_their_studies_and_their_folders_printed(
    elsewhere: Path, capsys: pytest.CaptureFixture
):
    assert main(["bundle", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == bundle_names()
    assert any(line.startswith("    studies: tube_detection/annotators, tube_detection/grid, ") for line in lines)
    assert main(["bundle", "path", "nodule_detection"]) == main(["bundle", "path"]) == 0
    assert capsys.readouterr().out == f"{bundles_folder() / 'nodule_detection'}\n{bundles_folder()}\n"
    assert main(["bundle", "path", "nodule"]) == 1
    assert capsys.readouterr().err.startswith("frugal: error: nodule: no such bundle.")
