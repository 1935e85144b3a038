"""The options that say where many radiographs are worked on."""

import argparse

import pytest

from app.archive.arguments import add_place, read_place
from app.archive.runs import Place
from app.cluster import Resources
from app.workflows.words import add_words, read_words


def place(words: str) -> tuple[Place | None, dict[str, object]]:
    parser = argparse.ArgumentParser("frugal predict")
    parser.add_argument("folder")
    add_place(parser)
    add_words(parser)
    arguments = parser.parse_args(words.split())
    arguments.traceback = False
    return read_place(arguments), read_words(arguments).overrides


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("in", None),
        ("in --image_size 64", None),
        ("in --jobs 2", Place(None, 2)),
        ("--jobs 2 --chunk 64 in", Place(None, 2, chunk=64)),
        ("in --on ray --cpus 2 --gpus 0.5 --memory 8", Place("ray", None, Resources(2, 0.5, 8 * 10**9))),
        ("--on auto in --jobs 3", Place("auto", 3)),
    ],
)
def test_options_before_and_among_the_words(words: str, expected: Place | None):
    assert place(words)[0] == expected


def test_settings_stay_settings():
    assert place("in --threshold -1 --jobs 2 --any_view True --data#x a")[1] == {
        "threshold": -1,
        "any_view": True,
        "data#x": "a",
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("in --chunk 64", "--chunk: without --jobs or --on the work is not divided"),
        ("in --jobs 2 --gpus 1", "--gpus: a claim is made of a node of a cluster: add --on ray"),
    ],
)
def test_options_without_what_they_need_are_refused(words: str, message: str):
    with pytest.raises(ValueError, match=message):
        place(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("in --jobs 0", "'0': must be a whole number, 1 or more"),
        ("in --jobs two", "'two': must be a whole number"),
        ("in --on ray --gpus 2", "'2': a worker uses one GPU, or a share of one"),
        ("in --on ray --cpus nan", "'nan': must be a number above 0"),
        ("in --on slurm", "'slurm': must be 'ray', 'auto' or ray://HEAD:10001"),
    ],
)
def test_other_values_are_refused(words: str, message: str, capsys):
    with pytest.raises(SystemExit):
        place(words)
    assert message in capsys.readouterr().err
