"""The bundles that come with this installation: a checkout, an editable install or a wheel.

Whatever names a bundle or one of its files finds it here, from any working folder.
"""

from __future__ import annotations

import re
from pathlib import Path

import app
from app.nearest import did_you_mean

FOLDER = "bundles"
"""Name of the folder of bundles, which lies beside this package."""
CONFIGS = "configs"
STUDIES = "studies"
TRAIN = "train"
_SUFFIXES = (".yaml", ".yml", ".json")


def bundles_folder() -> Path:
    """The folder of the installed bundles."""
    return Path(app.__file__).resolve().parents[1] / FOLDER


def bundle_names() -> list[str]:
    """Names of the installed bundles, sorted."""
    return sorted(path.parents[1].name for path in bundles_folder().glob(f"*/{CONFIGS}/{TRAIN}.yaml"))


def find_bundle(bundle: str | Path) -> Path:
    """The folder of a bundle.

    Args:
        bundle: The name of an installed bundle, or a path to any bundle's folder. A name comes first: for your own
            folder of the same name, write ``./nodule_detection``. A path that begins with ``bundles/`` and does not
            exist leads to the installed bundle.

    Raises:
        FileNotFoundError: There is no such bundle; lists those that there are.

    Example:
        >>> find_bundle("nodule_detection") == bundles_folder() / "nodule_detection"
        True
    """
    text, names = str(bundle), bundle_names()
    if text in names:
        return bundles_folder() / text
    for folder in (Path(text), _installed(text)):
        if (folder / CONFIGS).is_dir():
            return folder
    raise FileNotFoundError(
        f"{text or repr(text)}: no such bundle.{did_you_mean(text, names)} Give one of {', '.join(names)}, or the "
        f"folder of your own (one with {CONFIGS}/{TRAIN}.yaml)."
    )


def find_file(path: str | Path) -> Path:
    """The file that a setting names: as it stands, or if it begins with ``bundles/`` and is missing, the installed one.

    A file that is in neither place is returned as it stands.

    Example:
        >>> find_file("bundles/lung_segmentation/models/model.pt").is_file()
        True
        >>> find_file("my/model.pt").as_posix()
        'my/model.pt'
    """
    return Path(path) if Path(path).is_file() or not _installed(path).is_file() else _installed(path)


def short_name(file: str | Path) -> str:
    """The name of a file for messages: an installed one without the folder of the installation.

    Example:
        >>> short_name(bundles_folder() / "nodule_detection/configs/train.yaml")
        'bundles/nodule_detection/configs/train.yaml'
    """
    return re.sub(rf"^{re.escape(str(bundles_folder()))}(?=/)", FOLDER, str(file))


def find_config(config: str | Path) -> Path:
    """The config file that a command is given.

    Args:
        config: A file, as for `find_file`; a bundle, as for `find_bundle`, whose ``train.yaml`` it is; or a bundle and
            the name of a config, such as ``nodule_detection/published``.

    Raises:
        FileNotFoundError: There is no such bundle or config; lists those that there are.

    Example:
        >>> find_config("nodule_detection/inference").relative_to(bundles_folder()).as_posix()
        'nodule_detection/configs/inference.yaml'
    """
    text = str(config)
    if _names_file(text):
        return find_file(text)
    try:
        return find_bundle(text) / CONFIGS / f"{TRAIN}.yaml"
    except FileNotFoundError:
        return _part(text, CONFIGS)


def find_study(study: str | Path) -> Path:
    """The study file that a command is given.

    Args:
        study: A file, as for `find_file`; or a bundle and the name of one of its studies: ``tube_detection/grid``.

    Raises:
        FileNotFoundError: There is no such bundle or study; lists those that there are.

    Example:
        >>> find_study("tube_detection/grid").relative_to(bundles_folder()).as_posix()
        'tube_detection/studies/grid.yaml'
    """
    text = str(study)
    if _names_file(text):
        return find_file(text)
    return _part(text, STUDIES)


def studies_of(bundle: str | Path) -> list[str]:
    """The names by which `find_study` knows the studies of a bundle, sorted.

    Example:
        >>> studies_of("tube_detection")[:2]
        ['tube_detection/annotators', 'tube_detection/grid']
    """
    return _parts(bundle, STUDIES)


def _names_file(text: str) -> bool:
    """Whether a text names a file, which may be missing, rather than something of a bundle."""
    return text.lower().endswith(_SUFFIXES) or Path(text).is_file()


def _installed(path: str | Path) -> Path:
    """Where a path that begins with ``bundles/`` leads in this installation; the path itself if it begins otherwise."""
    parts = Path(path).parts
    return bundles_folder().joinpath(*parts[1:]) if parts[:1] == (FOLDER,) and ".." not in parts else Path(path)


def _part(text: str, kind: str) -> Path:
    """A YAML file in a bundle's folder ``kind``, from a text such as ``tube_detection/grid``."""
    bundle, _, name = text.rstrip("/").rpartition("/")
    folder, known = find_bundle(bundle or name) / kind, _parts(bundle or name, kind)
    if f"{bundle}/{name}" in known:
        return folder / f"{name}.yaml"
    hint = did_you_mean(f"{bundle}/{name}", known) if bundle else ""
    raise FileNotFoundError(f"{text}: no such file in {folder}.{hint} There are: {', '.join(known) or 'none'}.")


def _parts(bundle: str | Path, kind: str) -> list[str]:
    return sorted(f"{bundle}/{path.stem}" for path in (find_bundle(bundle) / kind).glob("*.yaml"))
