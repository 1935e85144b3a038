"""A config from elsewhere: plain values and known components pass, code needs the user's word, however named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.checking import check_files
from app.checking.trust import VARIABLE, code_in, is_trusted

REMEDY = "Read it first; then allow it: --trust for frugal check, --trust True for a run."


@pytest.fixture
def elsewhere(write: Callable[..., Path], bundles: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small config, in a folder that nothing trusts."""
    write()
    monkeypatch.setenv(VARIABLE, "")
    return Path("train.yaml")


def test_this_repositorys_bundles_are_trusted_and_copies_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    own = Path(__file__).parents[3] / "bundles/nodule_detection/configs/train.yaml"
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


def test_code_from_elsewhere_is_refused_piece_by_piece(elsewhere: Path):
    found = [str(problem) for problem in check_files([elsewhere]).problems]
    pieces = [line for line in found if "would run" in line]
    assert pieces == found
    begin = "$engines.begin(@output_dir, @seed)"
    assert f"train.yaml: initialize#0: a config from outside of bundles/ would run {begin!r}. {REMEDY}" in pieces
    # By hand: the expressions of the small config.
    assert len(pieces) == elsewhere.read_text().count("$")


def test_it_runs_on_the_users_word_alone(elsewhere: Path):
    assert check_files([elsewhere], trust=True).problems == ()
    elsewhere.write_text(elsewhere.read_text() + "trust: true\n")
    (found,) = check_files([elsewhere], trust=True).problems
    assert str(found) == (
        "train.yaml: trust: a file cannot ask for trust in itself: give --trust True on the command line."
    )


def test_ones_own_values_over_a_bundle_need_no_trust(write: Callable[..., Path], bundles: Path, tmp_path: Path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("max_epochs: 3\nphantoms: {count: 4, seed: 1, size: 256, findings: [Effusion]}\n")
    assert check_files([write(), mine]).problems == ()
    mine.write_text("max_epochs: $__import__('os').system('true')\n")
    (found,) = check_files([write(), mine]).problems
    assert f"{mine}: max_epochs: a config from outside of bundles/ would run" in str(found)
    # What is typed is the user's own.
    assert check_files([write()], {"max_epochs": "$1 + 2"}).problems == ()


def test_a_file_that_a_macro_names_is_from_elsewhere_as_well(write: Callable[..., Path], bundles: Path, tmp_path: Path):
    (tmp_path / "other.yaml").write_text("pooling: $print()\n")
    report = check_files([write({"network#pooling": f"%{tmp_path}/other.yaml::pooling"})])
    assert f"{tmp_path}/other.yaml: pooling: a config from outside" in str(report.problems[0])


ALLOWED = ["app.networks.SEDenseNet", "SupervisedTrainer", "torch.optim.Adam", "torch.nn.Linear", "transforms.CLAHEd"]
REFUSED = [
    "os.system",
    "subprocess.run",
    "builtins.eval",
    "eval",
    "torch.load",
    "torch.os.system",  # reached through torch, but none of it
    "torch.nn.modules.module.warnings.warn",
    "torch.hub.load",
    "torch.utils.cpp_extension.load_inline",
    "monai.bundle.run",
    "monai.utils.instantiate",
    "monai.apps.download_url",
    "$print",
    "@network",
    "%other.yaml::target",
]


@pytest.mark.parametrize("target", ALLOWED)
def test_components_of_known_packages_pass(target: str):
    assert code_in({"part": {"_target_": target}, "list": [{"_target_": target}]}) == []


@pytest.mark.parametrize("target", REFUSED)
def test_everything_else_is_code(target: str):
    place = ("part#_target_", target)
    assert place in code_in({"part": {"_target_": target}})
    assert code_in({"part#_target_": target})[-1] == place
    assert code_in({"part::_target_": target})[-1] == ("part::_target_", target)
