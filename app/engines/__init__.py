"""What the training loop needs beyond MONAI's trainer and evaluator."""

from typing import TYPE_CHECKING

from app.engines.activation_maps import GradCAMInferer
from app.engines.batch import PrepareBatch
from app.engines.beginning import begin
from app.engines.configuration import Configuration, RadiographWorkflow, command_line_configuration
from app.engines.device import MixedPrecisionInferer
from app.engines.evaluator import RadiographEvaluator
from app.engines.launch import Launch
from app.engines.loading import EvaluationLoader, TrainingLoader
from app.engines.located import MapReading
from app.engines.processes import default_device
from app.engines.schedule import StageDecay
from app.engines.sections import Sections
from app.engines.stages import TwoStages
from app.engines.step import TrainingStep
from app.engines.thresholds import AlternatingThresholds
from app.engines.trainer import RadiographTrainer
from transforms.lazy_names import lazy_names

if TYPE_CHECKING:
    from app.engines.inference import Inference
    from app.engines.inference_samples import datalist_samples, folder_samples, no_samples

# Imported on first use, as a training reads no DICOM files.
_SAMPLES = dict.fromkeys(("datalist_samples", "folder_samples", "no_samples"), "app.engines.inference_samples")
__getattr__ = lazy_names(__name__, {"Inference": "app.engines.inference", **_SAMPLES})

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
