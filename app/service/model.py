"""A model that stays loaded: it scores one radiograph after another, exactly as ``frugal predict`` scores a folder.

Both run the same code: the bundle's ``inference.yaml``, its preparation (`app.prepared.recipe.Recipe`, which rounds a
prepared radiograph to 8 bits), its network, and `app.engines.Inference`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from pydicom.dataset import Dataset

from app.dicom import DicomResults
from app.dicom.kinds import Kind
from app.engines.configuration import RadiographWorkflow
from app.engines.inference import Inference, Radiograph
from app.engines.inference_samples import file_samples
from app.engines.scored_radiograph import ScoredRadiograph
from app.files import limited
from app.files.atomic import write_whole
from app.prepared.shards import NewEntry
from app.prepared.workers import own_error
from app.workflows.running import reach_modules, require_good
from app.workflows.weights import prediction
from transforms.errors import RadiographError
from transforms.load import LoadRadiograph, LoadRadiographd, loaded, read_radiograph

logger = logging.getLogger(__name__)


class KeepingLoader(LoadRadiograph):
    """Loads radiographs, and keeps the last one as it was read, for its pictures and its window.

    Attributes:
        last: The radiograph; None if there is none yet.
    """

    last: Radiograph | None = None

    def __call__(self, path: str | os.PathLike[str]) -> MetaTensor:
        """See `LoadRadiograph`."""
        self.last = read_radiograph(path)
        return loaded(*self.last)


class ResidentModel:
    """Weights with their bundle's inference, loaded once.

    Args:
        weights: As for ``frugal predict``.
        options: Settings of ``inference.yaml``.
        kinds: Of DICOM results.
        folder: For what the inference writes beside results; made if it is missing.

    Raises:
        CheckError: The settings do not fit the bundle.
        ValueError: The weights do not fit, or have no thresholds.
    """

    def __init__(self, weights: str, options: Mapping[str, Any], kinds: Sequence[Kind], folder: Path) -> None:
        own = {"output_dir": str(folder), "prepared_dir": str(folder / "prepared")}
        # The check wants to see a folder with a file in it.
        nothing = folder / "nothing"
        nothing.mkdir(parents=True, exist_ok=True)
        write_whole(nothing / "readme.txt", "Images come one by one; nothing is read here.\n")
        file, overrides = prediction(weights, str(nothing), {**options, **own})
        reach_modules(file)
        require_good([file], "run", overrides)
        workflow = RadiographWorkflow(str(file), run_id="run", **overrides)
        parser = workflow.parser
        parser["inference::samples"] = "$engines.no_samples(@findings, @any_view)"  # images come later
        workflow.initialize()
        inference: Inference = parser.get_parsed_content("inference")
        self.any_view = bool(inference.samples.any_view)
        self._results = DicomResults(list(kinds), inference.findings)
        inference.results = [self._results]
        inference.load(str(overrides["checkpoint"]))
        self._inference = inference
        self._recipe = inference.evaluator.dataset.recipe
        self._loader = KeepingLoader()
        for step in self._recipe.image_transforms:
            if isinstance(step, LoadRadiographd):
                step.loader = self._loader
        self._worker: limited.Worker | None = None

    @property
    def findings(self) -> Sequence[str]:
        """Names, in the network's order."""
        return self._inference.findings

    @property
    def algorithm(self) -> str:
        """What tells these weights and settings from others, as results name it."""
        return self._results.algorithm.key[:16]

    def score(self, path: Path) -> ScoredRadiograph:
        """Score a radiograph.

        Raises:
            RadiographError: It cannot be read or prepared.
            FloatingPointError: The network's scores are not numbers.
        """
        entry, read = self._prepared(path)
        evaluator = self._inference.evaluator
        prediction = evaluator.predict(torch.from_numpy(entry.data)[None, None])
        if prediction.score.isnan().any() or prediction.map.isnan().any():
            raise FloatingPointError("the network's scores or maps are not numbers")
        region = np.array(entry.geometry.region, dtype=np.float32)
        logits = prediction.score[0].double().cpu().numpy()
        radiograph = self._inference.radiograph(path, region, logits, prediction.map[0], read)
        return replace(radiograph, is_doubtful=entry.geometry.is_doubtful)

    def objects(self, radiograph: ScoredRadiograph) -> list[tuple[str, Dataset]]:
        """The DICOM results of a radiograph, by names such as ``sr-1``.

        Raises:
            HeaderError: Its header allows none.
        """
        return self._results.objects(radiograph)

    def close(self) -> None:
        """End the process that prepares radiographs."""
        if self._worker is not None:
            self._worker.end()

    def _prepared(self, path: Path) -> tuple[NewEntry, Radiograph | None]:
        """Read and prepare in another process, which a file may crash, hang or exhaust.

        Returns:
            What the network gets; and the radiograph as it was read, None unless a step `LoadRadiographd` read it.
        """
        if self._worker is None:
            self._worker = limited.Worker(self._make, limited.PATIENCE)
        try:
            self._worker.begin(path)
            outcome = self._worker.result()
        except (EOFError, BrokenPipeError):
            ended, self._worker = self._worker, None
            ended.process.join()
            if ended.was_killed:
                raise MemoryError(f"the process that prepared it {ended.ending}") from None
            raise RadiographError(f"the process that prepared it {ended.ending}") from None
        if isinstance(outcome, BaseException):
            raise outcome
        entry, read = outcome
        return entry, read

    def _make(self, path: Path) -> tuple[NewEntry, Radiograph | None] | BaseException:
        self._loader.last = None
        try:
            sample = file_samples([path], [path.name], self.findings)[0]
            return self._recipe.make(sample, self._recipe.keys(sample))[0], self._loader.last
        except Exception as error:
            return own_error(error)
