"""Copy a bundle's configs and studies into a folder of one's own, under a name of their own."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

import app
from app.files.atomic import write_whole
from app.installed import CONFIGS, STUDIES, TRAIN, bundle_names, find_bundle

_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
_PLAIN = re.compile(r"[\w/.+~-]+")
_README = """# {name}

A copy of the bundle `{source}` of FrugalCXR {version}, made to be changed.

| file | what it says |
|---|---|
| `configs/train.yaml` | training and evaluating: data, preparation, network, loss, schedule |
| `configs/inference.yaml` | scoring a folder; describes the same network and preparation |
{further}
What you change of the network (`network_def`) or the preparation (`preprocessing`) belongs in both. Modules of your
own in this folder can be named as `_target_: my_module.MyLoss`. `bundle_root` and the studies hold this folder's path:
if you move the folder, adapt them. The weights that `inference.yaml` names are those of `{source}`.

    frugal check {folder} --trust
    frugal train {folder} --trust

Configs are programs, so those outside of the installation run with `--trust` only, or with this folder in the
environment variable `FRUGAL_TRUSTED`.
"""
_FURTHER = {
    "base.yaml": "what several configs of this bundle share",
    "published.yaml": "the paper's settings, on top: `frugal train {folder} published --trust`",
    "radiographs.yaml": "for radiographs of patients, on top: `frugal train {folder} radiographs --trust`",
    "metadata.json": "what MONAI's tools ask for: versions, inputs, outputs",
}


def copy_bundle(bundle: str, folder: Path) -> list[Path]:
    """Copy a bundle's configs, studies and licence; its weights stay where they are.

    The folder's name becomes that of the bundle, of its experiment in MLflow and of its results.

    Args:
        bundle: Name or folder.
        folder: New, or empty.

    Returns:
        The files.

    Raises:
        FileNotFoundError: There is no such bundle.
        ValueError: The folder is not empty, or its name cannot be a bundle's.
    """
    source, target = find_bundle(bundle), folder.absolute()
    name = target.name
    if not _NAME.fullmatch(name) or not isinstance(yaml.safe_load(name), str) or name in bundle_names():
        raise ValueError(
            f"{folder}: the folder's name becomes that of the bundle; give letters, digits and underscores, other than "
            f"{', '.join(bundle_names())}."
        )
    if not _PLAIN.fullmatch(str(target)):
        raise ValueError(f"{target}: configs hold this path; give one without spaces and special characters.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{folder}: exists already; give a new folder.")
    files = sorted(path for kind in (CONFIGS, STUDIES) for path in (source / kind).glob("*.*"))
    for path in files:
        _write(target / path.relative_to(source), _renamed(path, source.absolute(), target))
    if (source / "LICENSE").is_file():
        _write(target / "LICENSE", (source / "LICENSE").read_text("utf-8"))
    further = [
        f"| `{CONFIGS}/{file}` | {text.format(folder=folder)} |\n"
        for file, text in _FURTHER.items()
        if (source / CONFIGS / file).exists()
    ]
    readme = _README.format(name=name, source=bundle, version=app.__version__, further="".join(further), folder=folder)
    _write(target / "docs" / "README.md", readme)
    return [target / path.relative_to(source) for path in files]


def _renamed(path: Path, source: Path, target: Path) -> str:
    """A file's text with the names and paths of the copy; the weights of the original are still named."""
    text = path.read_text("utf-8")
    if path.parent.name == STUDIES:  # a study may name the bundle, but only installed ones are found by name
        text = re.sub(rf"^bundle: {source.name}$", f"bundle: {target}/{CONFIGS}/{TRAIN}.yaml", text, flags=re.MULTILINE)
    text = re.sub(rf"(runs/|\bbundle: ){source.name}(?![a-zA-Z])", rf"\g<1>{target.name}", text)
    text = re.sub(rf"bundles/{source.name}(?!/models|\w)|{re.escape(str(source))}(?!\w)", str(target), text)
    if path.parent.name == STUDIES:
        text = re.sub(r"^name: \w+", f"name: {target.name}_{path.stem}", text, flags=re.MULTILINE)
    return text


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)
