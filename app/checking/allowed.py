"""What an untrusted config may name: classes, and for each its arguments and what these may hold.

No argument takes free text: whatever receives a path, the name of a callable or an address may look it up, load it or
call it. Before a class is added here, somebody must read what it does with each argument.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.checking.sources import MissingNameError, find

Words = tuple[str, ...]
ArgumentKind = Literal["numbers", "components", "words"]


@dataclass(frozen=True)
class AllowedArguments:
    """The arguments of a class that an untrusted config may set.

    Attributes:
        numbers: names of arguments that take numbers, true, false, null, and lists of them; ``*`` stands for all
            except MONAI's special keys.
        components: names of arguments that take an allowed component, an ``@id`` of one, null, and lists of them.
        words: for each argument that takes a word or a list of them, the words that are allowed; none listed: any
            plain name of a dictionary's key.
    """

    numbers: str = ""
    components: str = ""
    words: Mapping[str, Words] | None = None

    def kind(self, argument: str) -> ArgumentKind | None:
        """What an argument takes; None if it must not be set."""
        if argument in (self.words or {}):
            return "words"
        if argument in self.components.split():
            return "components"
        is_any = self.numbers == "*" and not argument.startswith("_")
        return "numbers" if is_any or argument in self.numbers.split() else None

    def takes_word(self, argument: str, word: str) -> bool:
        """Whether an argument of words takes this one."""
        allowed = (self.words or {})[argument]
        return word in allowed if allowed else re.fullmatch(r"\w+", word) is not None


_KEYS: Mapping[str, Words] = {"keys": ()}
_FORMS: Mapping[str, Words] = {"form": ("li", "sigmoid", "relaxed")}
_OWN = {
    "app.networks.PACCRF": AllowedArguments("findings window steps"),
    "app.networks.PatchCountPooling": AllowedArguments(components="thresholds"),
    "app.networks.PatchFeatures": AllowedArguments("features halvings width"),
    "app.networks.PatchNetwork": AllowedArguments("findings grid hidden", "backbone pooling crf features"),
    "app.networks.PatchThresholds": AllowedArguments("findings tau rho tau_hat rho_hat"),
    "app.networks.PreactivationResNet": AllowedArguments("layers width blur"),
    "app.networks.ResNet": AllowedArguments("findings depth width strides", "pooling"),
    "app.networks.SEDenseNet": AllowedArguments("findings blocks growth stem upsample", "pooling"),
    # Not ``architecture`` and ``weights``: the bundles that have them make them settings, and pass those on.
    "app.networks.backbones.BackboneClassifier": AllowedArguments("findings frozen hidden dropout stages located"),
    "app.networks.pooling.AveragePooling": AllowedArguments(),
    "app.networks.pooling.LogSumExpPooling": AllowedArguments("sharpness"),
    "app.networks.pooling.MaxPooling": AllowedArguments(),
    "app.networks.pooling.NoisyOrPooling": AllowedArguments(),
    "app.networks.tube_networks.tube_network": AllowedArguments("findings modified dropout"),
    "app.networks.unet.UNet": AllowedArguments("findings features dropout"),
    "app.losses.KnownLabelBCELoss": AllowedArguments(),
    "app.losses.MixedSupervisionLoss": AllowedArguments("localisation_weight"),
    "app.losses.MultipleInstanceLoss": AllowedArguments("annotated_weight"),
    "app.losses.PixelBCELoss": AllowedArguments("absent_is_nowhere"),
    "app.losses.RelaxedThresholdLoss": AllowedArguments("annotated_weight balance", "thresholds"),
    "app.losses.SigmoidThresholdLoss": AllowedArguments("annotated_weight", "thresholds"),
    "app.losses.WeightedSum": AllowedArguments("weights", "losses"),
    "app.losses.dice.DiceCrossEntropyLoss": AllowedArguments("smooth"),
    "transforms.AugmentBatch": AllowedArguments("flip shift scale rotate shear contrast brightness gamma"),
    "transforms.augment_organ.AugmentOrgan": AllowedArguments("strength opacity marks processing"),
    "transforms.CLAHEd": AllowedArguments("clip_limit tiles", words=_KEYS),
    "transforms.CropLungsd": AllowedArguments("margin", "segment", words=_KEYS),
    "transforms.DrawAnnotationsd": AllowedArguments("findings ellipses"),
    "transforms.LoadRadiographd": AllowedArguments("allow_missing_keys", words=_KEYS),
    "transforms.ResizeRadiographd": AllowedArguments("size keep_aspect", words=_KEYS),
    "app.prepared.PreparedDataset": AllowedArguments(
        "workers progress content", "samples transform", {"on_error": ("stop", "exclude")}
    ),
    "app.datalist.sampling.KnownSampler": AllowedArguments("seed"),
    "app.datalist.sampling.BalancedSampler": AllowedArguments("seed"),
    "app.engines.AlternatingThresholds": AllowedArguments("every met", "thresholds inferer"),
    "app.engines.EvaluationLoader": AllowedArguments("batch_size workers", "dataset"),
    "app.engines.Launch": AllowedArguments(
        "seed save_maps resume patience", words={"key_metric": ("auc", "dice", "loss")}
    ),
    "app.engines.MixedPrecisionInferer": AllowedArguments(
        "compile", words={"precision": ("auto", "float32", "bfloat16", "float16")}
    ),
    "app.engines.MapReading": AllowedArguments("activation_maps patches relative"),
    "app.engines.PrepareBatch": AllowedArguments("seed", "augment"),
    "app.engines.RadiographEvaluator": AllowedArguments(components="loader network inferer loss reading"),
    "app.engines.RadiographTrainer": AllowedArguments("max_epochs seed", "loader network optimizer loss step augment"),
    "app.engines.Sections": AllowedArguments("batch_size workers", "reading"),
    "app.engines.TrainingLoader": AllowedArguments("batch_size seed workers", "dataset sampler"),
    "app.engines.TrainingStep": AllowedArguments("accumulate clip sync_batch_norm", "inferer"),
    "app.engines.TwoStages": AllowedArguments("first", "network"),
    "app.engines.patch_forms.patch_loss": AllowedArguments("annotated_weight", "thresholds", _FORMS),
    "app.engines.patch_forms.patch_pooling": AllowedArguments(components="thresholds", words=_FORMS),
}
_MONAI = {
    # ``log_stats`` takes the name of a logger, too, which is refused as it is no number.
    "Compose": AllowedArguments("map_items unpack_items lazy log_stats", "transforms"),
    "SupervisedTrainer": AllowedArguments(
        "max_epochs epoch_length non_blocking amp decollate optim_set_to_none compile accumulation_steps",
        "train_data_loader network optimizer loss_function prepare_batch iteration_update inferer",
    ),
}
ALLOWED: Mapping[str, AllowedArguments] = _OWN | _MONAI
"""By the exact text of ``_target_``."""

_OPTIMISER = re.compile(r"torch\.optim\.(lr_scheduler\.)?[A-Z]\w*")
_OPTIMISER_ARGUMENTS = AllowedArguments(
    "*",
    "params optimizer optimizers schedulers",
    {"anneal_strategy": ("cos", "linear"), "mode": ("min", "max", "triangular", "triangular2", "exp_range")},
)
_TRANSFORM = re.compile(r"(monai\.transforms\.)?[A-Z]\w*d")
# Not ``io``, which looks up readers and writers by name; nor ``utility``, which calls functions that it is given or
# looks them up in other libraries; nor ``post``, which saves and inverts.
_TRANSFORM_MODULES = tuple(f"monai.transforms.{name}.dictionary" for name in ("croppad", "intensity", "spatial"))
_TRANSFORM_ARGUMENTS = AllowedArguments(
    "*",
    words={
        "keys": (),
        "source_key": (),
        "mode": (
            *("nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area"),
            *("constant", "edge", "reflect", "symmetric", "wrap", "zeros", "border", "reflection"),
        ),
        "padding_mode": ("zeros", "border", "reflection"),
    },
)


def allowed_arguments(target: object) -> AllowedArguments | None:
    """The arguments that may be set for a ``_target_``; None if the target itself is not allowed.

    Example:
        >>> allowed_arguments("torch.optim.Adam").kind("lr")
        'numbers'
        >>> allowed_arguments("os.system") is None
        True
    """
    if not isinstance(target, str):
        return None
    if target in ALLOWED:
        return ALLOWED[target]
    if _OPTIMISER.fullmatch(target):
        return _OPTIMISER_ARGUMENTS if _is_class_of(target, ("torch.optim",)) else None
    if _TRANSFORM.fullmatch(target):
        # MONAI finds a name without dots anywhere in its modules; its transforms are all in this one, too.
        full = f"monai.transforms.{target.removeprefix('monai.transforms.')}"
        return _TRANSFORM_ARGUMENTS if _is_class_of(full, _TRANSFORM_MODULES) else None
    return None


def _is_class_of(target: str, modules: Words) -> bool:
    """Whether a target is a class that one of the modules (or a module below) defines, and does not only import."""
    try:
        found = find(target)
    except (MissingNameError, SyntaxError):
        return False
    is_defined = any(found.module == module or found.module.startswith(f"{module}.") for module in modules)
    return is_defined and isinstance(found.node, ast.ClassDef)
