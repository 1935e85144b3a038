"""What the training loop needs beyond MONAI's trainer and evaluator."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from app.engines.activation_maps import GradCAMInferer
from app.engines.batch import PrepareBatch
from app.engines.configuration import Configuration, RadiographWorkflow, command_line_configuration
from app.engines.device import MixedPrecisionInferer, default_device
from app.engines.evaluator import RadiographEvaluator
from app.engines.launch import Launch, begin
from app.engines.loading import EvaluationLoader, TrainingLoader
from app.engines.located import MapReading
from app.engines.schedule import StageDecay
from app.engines.sections import Sections
from app.engines.stages import TwoStages
from app.engines.step import TrainingStep
from app.engines.thresholds import AlternatingThresholds
from app.engines.trainer import RadiographTrainer

if TYPE_CHECKING:
    from app.engines.inference import Inference
    from app.engines.inference_samples import datalist_samples, folder_samples, no_samples

# Imported on first use, as a training reads no DICOM files.
_LAZY = {
    "Inference": "app.engines.inference",
    "datalist_samples": "app.engines.inference_samples",
    "folder_samples": "app.engines.inference_samples",
    "no_samples": "app.engines.inference_samples",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module holds under the name
    """Import a public name from its module."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


__all__ = [
    "AlternatingThresholds",
    "Configuration",
    "EvaluationLoader",
    "GradCAMInferer",
    "Inference",
    "Launch",
    "MapReading",
    "MixedPrecisionInferer",
    "PrepareBatch",
    "RadiographEvaluator",
    "RadiographTrainer",
    "RadiographWorkflow",
    "Sections",
    "StageDecay",
    "TrainingLoader",
    "TrainingStep",
    "TwoStages",
    "begin",
    "command_line_configuration",
    "datalist_samples",
    "default_device",
    "folder_samples",
    "no_samples",
]
