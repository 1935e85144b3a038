"""What the training loop needs beyond MONAI's trainer and evaluator."""

from app.engines.activation_maps import GradCAMInferer
from app.engines.batch import PrepareBatch
from app.engines.configuration import Configuration, RadiographWorkflow, command_line_configuration
from app.engines.device import MixedPrecisionInferer, default_device
from app.engines.evaluator import RadiographEvaluator
from app.engines.inference import Inference
from app.engines.inference_samples import datalist_samples, folder_samples, no_samples
from app.engines.launch import Launch, begin
from app.engines.loading import EvaluationLoader, TrainingLoader
from app.engines.located import MapReading
from app.engines.schedule import StageDecay
from app.engines.sections import Sections
from app.engines.stages import TwoStages
from app.engines.step import TrainingStep
from app.engines.thresholds import AlternatingThresholds
from app.engines.trainer import RadiographTrainer

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
