"""A trained network as MLflow loads it: from the files of radiographs to a table of probabilities.

MLflow imports this module by its name and calls `_load_pyfunc` (``mlflow.pyfunc.load_model``), so it needs this package
to be installed, and unpickles nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from ignite.engine import Events
from monai.bundle import ConfigParser
from monai.utils.enums import CommonKeys
from torch import nn

from app.checking.documents import read_document
from app.datalist.item import Datalist, Item
from app.datalist.samples import samples
from app.engines.device import MixedPrecisionInferer
from app.engines.evaluator import RadiographEvaluator
from app.engines.loading import EvaluationLoader
from app.engines.processes import default_device
from app.engines.record import ModelRecord, record_of
from app.files.atomic import write_whole
from app.findings import NOT_SAID
from app.networks.checkpoints import load_exactly
from app.networks.start import started_network
from app.networks.unet import UNet
from app.prepared import PreparedDataset
from evaluation.logits import probability
from transforms import restore_map

if TYPE_CHECKING:
    import pandas as pd

IMAGE = "image"
"""The column of the input: the bytes of each file."""
CONFIG, WEIGHTS = "config.yaml", "model.pt"
BATCH = 16


@dataclass
class Scorer:
    """Scores radiographs as the bundle's ``inference.yaml`` does.

    Args:
        network: With its weights.
        transform: The deterministic preparation of a radiograph.
        record: Findings and thresholds.
        inferer: Calls the network.
    """

    network: nn.Module
    transform: Any
    record: ModelRecord
    inferer: MixedPrecisionInferer

    def predict(self, model_input: pd.DataFrame, params: object = None) -> pd.DataFrame:
        """Score radiographs.

        Args:
            model_input: Column ``image``: the bytes of a file of any format that is read (PNG, JPEG, DICOM, ...).
            params: Unused; MLflow passes it.

        Returns:
            One row an input row. One column a finding: the probability that it is present. If the network segments: for
            each structure ``<name> area``, the share of the radiograph that it covers, and ``<name> mask``, the bytes
            of a PNG in the radiograph's own pixels, 255 within the structure.

        Raises:
            ValueError: A file cannot be read; names its row.
        """
        import pandas as pd

        columns = output_columns(self.network, self.record.findings)
        if model_input.empty:
            return pd.DataFrame(columns=columns)
        with tempfile.TemporaryDirectory(prefix="frugal-") as folder:
            dataset = self._prepared([bytes(content) for content in model_input[IMAGE]], Path(folder))
            rows: list[dict[str, object]] = []
            evaluator = RadiographEvaluator(EvaluationLoader(dataset, BATCH), self.network, self.inferer)
            evaluator.add_event_handler(
                Events.ITERATION_COMPLETED,
                lambda engine: rows.extend(self._rows(engine.state.output, engine.state.batch)),
            )
            evaluator.run()
        return pd.DataFrame(rows, index=model_input.index, columns=columns)

    def _prepared(self, contents: Sequence[bytes], folder: Path) -> PreparedDataset:
        names = [f"row-{row}" for row in range(len(contents))]
        for name, content in zip(names, contents, strict=True):
            write_whole(folder / name, content)
        unknown = (NOT_SAID,) * len(self.record.findings)
        datalist = Datalist("files", self.record.findings, {"test": [Item(name, "", unknown) for name in names]})
        dataset = PreparedDataset(
            samples(datalist, "test", folder),
            self.transform,
            folder / "prepared",
            0,
            progress=False,
            on_error="exclude",
        )
        if dataset.excluded:
            name, problem = dataset.excluded[0]
            more = f" (and {len(dataset.excluded) - 1} more)" if len(dataset.excluded) > 1 else ""
            raise ValueError(
                f"{name} of the column {IMAGE!r}, counted from 0, is no readable radiograph{more}: {problem}"
            )
        return dataset

    def _rows(self, output: Any, batch: Any) -> Iterable[dict[str, object]]:  # noqa: ANN401 - Ignite's state
        prediction = output[CommonKeys.PRED]
        logits, maps = (part.double().cpu().numpy() for part in (prediction.score, prediction.map))
        scores, maps = probability(self.record.calibrated(logits)), probability(maps)
        for row in range(len(scores)):
            if not isinstance(self.network, UNet):
                yield dict(zip(self.record.findings, scores[row].tolist(), strict=True))
                continue
            stored = restore_map(maps[row], batch["region"][row].numpy(), batch["original_size"][row].numpy()).numpy()
            yield dict(self._segmented(stored))

    def _segmented(self, maps: np.ndarray) -> Iterable[tuple[str, object]]:
        for name, values, threshold in zip(self.record.findings, maps, self.record.map_thresholds, strict=True):
            is_inside = values >= threshold
            yield f"{name} area", float(is_inside.mean())
            yield f"{name} mask", cv2.imencode(".png", is_inside.astype(np.uint8) * 255)[1].tobytes()


def output_columns(network: nn.Module, findings: Sequence[str]) -> list[str]:
    """The columns of what `Scorer.predict` returns."""
    if not isinstance(network, UNet):
        return list(findings)
    return [f"{name} {kind}" for name in findings for kind in ("area", "mask")]


def _load_pyfunc(path: str) -> Scorer:
    """What MLflow calls with the folder of a model: the network with its weights, and its preparation.

    Raises:
        ValueError: A file of the model is damaged or missing.
    """
    folder = Path(path)
    config = read_document(folder / CONFIG)
    if not isinstance(config, dict):
        raise ValueError(f"{folder / CONFIG} is no config")
    record = record_of(folder / WEIGHTS, config["findings"])
    files = {key: str(folder / value) for key, value in config.items() if _is_file(folder, value)}
    parser = ConfigParser(config | files)
    parser["data"] = SimpleNamespace(findings=record.findings)
    device = default_device()
    network = started_network(parser.get_parsed_content("network_def"), device=device)
    load_exactly(network, folder / WEIGHTS)
    inferer = MixedPrecisionInferer(config.get("precision", "auto"), device)
    return Scorer(network, parser.get_parsed_content("preprocessing"), record, inferer)


def _is_file(folder: Path, value: object) -> bool:
    return isinstance(value, str) and bool(value) and Path(value).name == value and (folder / value).is_file()
