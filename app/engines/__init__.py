"""What the training loop needs beyond MONAI's trainer and evaluator."""

from app.engines.activation_maps import GradCAMInferer
from app.engines.batch import PrepareBatch
from app.engines.device import MixedPrecisionInferer, default_device
from app.engines.evaluator import RadiographEvaluator
from app.engines.inference import Inference, folder_samples
from app.engines.launch import Launch, begin
from app.engines.loading import EvaluationLoader, TrainingLoader
from app.engines.schedule import StageDecay
from app.engines.stages import TwoStages
from app.engines.step import TrainingStep
from app.engines.thresholds import AlternatingThresholds

__all__ = [
    "AlternatingThresholds",
    "EvaluationLoader",
    "GradCAMInferer",
    "Inference",
    "Launch",
    "MixedPrecisionInferer",
    "PrepareBatch",
    "RadiographEvaluator",
    "StageDecay",
    "TrainingLoader",
    "TrainingStep",
    "TwoStages",
    "begin",
    "default_device",
    "folder_samples",
]
