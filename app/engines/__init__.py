"""What the training loop needs beyond MONAI's trainer and evaluator."""

from app.engines.activation_maps import GradCAMInferer
from app.engines.batch import PrepareBatch
from app.engines.device import MixedPrecisionInferer, default_device
from app.engines.evaluator import RadiographEvaluator
from app.engines.inference import Inference, folder_samples
from app.engines.launch import Launch, begin

__all__ = [
    "GradCAMInferer",
    "Inference",
    "Launch",
    "MixedPrecisionInferer",
    "PrepareBatch",
    "RadiographEvaluator",
    "begin",
    "default_device",
    "folder_samples",
]
