"""What a config that nobody vouches for may name: classes, and for each its arguments and what these may hold.

No argument takes free text: a path, a callable's name or an address can be looked up, loaded or called by what it is
passed to. A row was read down to what the class does with each argument before it was entered here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.checking.sources import MissingNameError, find

Words = tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """What the arguments of a class may hold.

    Attributes:
        numbers: names of arguments that take numbers, true, false, null, and lists of them; ``*`` stands for all but
            MONAI's special keys.
        parts: names of arguments that take a component of this list, an ``@id`` of one, null, and lists of them.
        words: by argument, the words that it takes, one or a list of them; none given: any plain name of a dictionary's
            key.
    """

    numbers: str = ""
    parts: str = ""
    words: Mapping[str, Words] | None = None

    def kind(self, argument: str) -> str:
        """``numbers``, ``parts``, ``words``, or nothing where the argument is not allowed."""
        if argument in (self.words or {}):
            return "words"
        if argument in self.parts.split():
            return "parts"
        any_number = self.numbers == "*" and not argument.startswith("_")
        return "numbers" if any_number or argument in self.numbers.split() else ""

    def takes_word(self, argument: str, word: str) -> bool:
        """Whether an argument of words takes this one."""
        allowed = (self.words or {})[argument]
        return word in allowed if allowed else re.fullmatch(r"\w+", word) is not None


_KEYS: Mapping[str, Words] = {"keys": ()}
_OWN = {
    "app.networks.PACCRF": Row("findings window steps"),
    "app.networks.PatchCountPooling": Row(parts="thresholds"),
    "app.networks.PatchFeatures": Row("features halvings width"),
    "app.networks.PatchNetwork": Row("findings grid hidden", "backbone pooling crf features"),
    "app.networks.PatchThresholds": Row("findings tau rho tau_hat rho_hat"),
    "app.networks.PreactivationResNet": Row("layers width blur"),
    "app.networks.ResNet": Row("findings depth width strides", "pooling"),
    "app.networks.SEDenseNet": Row("findings blocks growth stem upsample", "pooling"),
    # Not ``architecture`` and ``weights``: settings of the bundles that have them, where the bundle passes them on.
    "app.networks.backbones.BackboneClassifier": Row("findings frozen hidden dropout"),
    "app.networks.pooling.AveragePooling": Row(),
    "app.networks.pooling.LogSumExpPooling": Row("sharpness"),
    "app.networks.pooling.MaxPooling": Row(),
    "app.networks.pooling.NoisyOrPooling": Row(),
    "app.networks.tube_networks.tube_network": Row("findings modified dropout"),
    "app.networks.unet.UNet": Row("findings features dropout"),
    "app.losses.KnownLabelBCELoss": Row(),
    "app.losses.MixedSupervisionLoss": Row("localisation_weight"),
    "app.losses.MultipleInstanceLoss": Row("annotated_weight"),
    "app.losses.PixelBCELoss": Row("absent_is_nowhere"),
    "app.losses.RelaxedThresholdLoss": Row("annotated_weight balance", "thresholds"),
    "app.losses.SigmoidThresholdLoss": Row("annotated_weight", "thresholds"),
    "app.losses.WeightedSum": Row("weights", "losses"),
    "app.losses.dice.DiceCrossEntropyLoss": Row("smooth"),
    "transforms.AugmentBatch": Row("flip shift scale rotate shear contrast brightness gamma"),
    "transforms.augment_organ.AugmentOrgan": Row("strength opacity marks processing"),
    "transforms.CLAHEd": Row("clip_limit tiles", words=_KEYS),
    "transforms.CropLungsd": Row("margin", "segment", words=_KEYS),
    "transforms.DrawAnnotationsd": Row("findings ellipses"),
    "transforms.LoadRadiographd": Row("allow_missing_keys", words=_KEYS),
    "transforms.ResizeRadiographd": Row("size keep_aspect", words=_KEYS),
    "app.prepared.PreparedDataset": Row(
        "workers progress content", "samples transform", {"on_error": ("stop", "exclude")}
    ),
    "app.datalist.sampling.KnownSampler": Row("seed"),
    "app.datalist.sampling.BalancedSampler": Row("seed"),
    "app.engines.AlternatingThresholds": Row("every met", "thresholds inferer"),
    "app.engines.EvaluationLoader": Row("batch_size workers", "dataset"),
    "app.engines.Launch": Row("seed save_maps resume", words={"key_metric": ("auc", "dice", "loss")}),
    "app.engines.MixedPrecisionInferer": Row(
        "compile", words={"precision": ("auto", "float32", "bfloat16", "float16")}
    ),
    "app.engines.PrepareBatch": Row("seed", "augment"),
    "app.engines.RadiographEvaluator": Row("activation_maps", "loader network inferer loss"),
    "app.engines.TrainingLoader": Row("batch_size seed workers", "dataset sampler"),
    "app.engines.TrainingStep": Row("accumulate clip sync_batch_norm", "inferer"),
    "app.engines.TwoStages": Row("first", "network"),
}
_MONAI = {
    # Its ``overrides`` and ``log_stats`` may hold more than numbers, and then are refused.
    "Compose": Row("map_items unpack_items lazy log_stats", "transforms"),
    "SupervisedTrainer": Row(
        "max_epochs epoch_length non_blocking amp decollate optim_set_to_none compile accumulation_steps",
        "train_data_loader network optimizer loss_function prepare_batch iteration_update inferer",
    ),
}
ROWS: Mapping[str, Row] = _OWN | _MONAI
"""By the name in ``_target_``, to the letter."""

_OPTIMISER = re.compile(r"torch\.optim\.(lr_scheduler\.)?[A-Z]\w*")
_OPTIMISER_ROW = Row(
    "*",
    "params optimizer optimizers schedulers",
    {"anneal_strategy": ("cos", "linear"), "mode": ("min", "max", "triangular", "triangular2", "exp_range")},
)
_TRANSFORM = re.compile(r"(monai\.transforms\.)?[A-Z]\w*d")
# Without ``io``, which looks up readers and writers by name; ``utility``, which calls what it is given and looks up
# functions of other libraries; ``post``, which saves and inverts.
_TRANSFORM_MODULES = tuple(f"monai.transforms.{part}.dictionary" for part in ("croppad", "intensity", "spatial"))
_TRANSFORM_ROW = Row(
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


def row_of(target: object) -> Row | None:
    """The row of what a ``_target_`` names; None where it is not allowed."""
    if not isinstance(target, str):
        return None
    if target in ROWS:
        return ROWS[target]
    if _OPTIMISER.fullmatch(target):
        return _OPTIMISER_ROW if _is_class_of(target, ("torch.optim",)) else None
    if _TRANSFORM.fullmatch(target):
        # All of them can be had from there, by the same name.
        full = f"monai.transforms.{target.removeprefix('monai.transforms.')}"
        return _TRANSFORM_ROW if _is_class_of(full, _TRANSFORM_MODULES) else None
    return None


def _is_class_of(target: str, modules: Words) -> bool:
    """Whether a name is that of a class which one of the modules defines, not of something imported there."""
    try:
        found = find(target)
    except (MissingNameError, SyntaxError):
        return False
    defined = any(found.module == each or found.module.startswith(f"{each}.") for each in modules)
    return defined and isinstance(found.node, ast.ClassDef)
