"""Other programs that compute a network on a CPU: ONNX Runtime and OpenVINO, each checked against torch."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from glob import escape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from monai.inferers import Inferer
from torch import Tensor, nn

import app
from app.contract import Prediction
from app.engines.device import MixedPrecisionInferer
from app.files.atomic import write_whole
from app.networks.checkpoints import weights as state_of
from app.networks.export import as_onnx

if TYPE_CHECKING:
    import openvino

logger = logging.getLogger(__name__)

RUNTIMES = ("torch", "onnx", "openvino")
PACKAGES = {"torch": ("torch",), "onnx": ("onnx", "onnxruntime"), "openvino": ("onnx", "openvino")}
"""What each needs; the last one computes."""
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.1}
"""The largest `distance` from torch in float32, by the type that is computed with; torch's own bfloat16 has 0.04."""
CHECKED = 4
"""Images of the first batch that are compared together."""

_COMPARED = frozenset(4**power for power in range(1, 16))
"""Batches whose first image is compared, counted from 1."""

PLAIN = (bool, int, float, str, list, tuple)
"""Types of a module's settings."""

Run = Callable[[np.ndarray], Sequence[Sequence[np.ndarray]]]
"""Images (B, 1, H, W) to the score (1, C) and the map (1, C, h, w) of each."""


def inferer_of(runtime: str, inferer: Inferer, weights: Path) -> Inferer:
    """What computes the predictions of a network whose weights are loaded.

    Args:
        runtime: One of `RUNTIMES`, or "auto": OpenVINO if it is installed, or else ONNX Runtime unless torch computes
            in bfloat16 here, which is faster than ONNX Runtime's float32; torch if neither is, and if it alone can.
        inferer: Calls the network with torch.
        weights: The file that was loaded; the exported network is kept beside it.

    Raises:
        ValueError: The runtime is unknown, not installed, or cannot do what the inferer does.
    """
    if runtime not in (*RUNTIMES, "auto"):
        raise ValueError(f"runtime is one of auto, {', '.join(RUNTIMES)}, not {runtime!r}")
    obstacle = _obstacle(inferer)
    if runtime == "torch" or (runtime == "auto" and obstacle):
        return inferer
    if obstacle:
        raise ValueError(f"--runtime {runtime}: {obstacle}")
    assert isinstance(inferer, MixedPrecisionInferer)
    if runtime == "auto":
        order = ("openvino", "onnx") if inferer.dtype == torch.float32 else ("openvino",)
        chosen = next((name for name in order if not _missing(name)), "")
        return ExportedInferer(chosen, inferer, weights, is_asked_for=False) if chosen else inferer
    if _missing(runtime):
        missing = ", ".join(_missing(runtime))
        raise ValueError(f"--runtime {runtime} needs {missing}: pip install 'frugal-cxr[{runtime}]'")
    return ExportedInferer(runtime, inferer, weights, is_asked_for=True)


def _missing(runtime: str) -> list[str]:
    return [name for name in PACKAGES[runtime] if importlib.util.find_spec(name) is None]


def _obstacle(inferer: Inferer) -> str:
    """Why torch alone can do what an inferer does; empty if others can."""
    if not isinstance(inferer, MixedPrecisionInferer) or inferer.compile:
        return "torch alone computes activation maps (Grad-CAM) and compiles networks; take --runtime torch"
    if inferer.device.type != "cpu":
        return f"the network is on {inferer.device}, and exported networks run on the CPU; take --runtime torch"
    if inferer.dtype not in TOLERANCE:
        return "exported networks compute in float32 or bfloat16; set --precision auto, or take --runtime torch"
    return ""


class ExportedInferer(Inferer):
    """Computes a network's predictions by ONNX Runtime or OpenVINO, which are given its ONNX file.

    Each image is computed alone, so its scores do not depend on the other images of a batch. As many threads as torch
    has share an image in OpenVINO, and take an image each in ONNX Runtime.

    The network is exported at the first call, unless that was done before: ``model.KEY.onnx`` beside ``model.pt``. KEY
    is a digest of the network with its weights and of the versions of torch and of this package. If nothing can be
    written there, each process exports for itself. The first images of each process are computed by torch as well, in
    float32, and must agree within `TOLERANCE`. The first image of batches 4, 16, 64, ... is compared as well; if it
    does not agree, a warning says so.

    Args:
        runtime: "onnx", which always computes in float32, or "openvino".
        inferer: What would call the network, in the same precision.
        weights: The file that was loaded.
        is_asked_for: Whether the user named the runtime: a network that does not agree is an error then, and otherwise
            torch computes it, with a warning.
    """

    def __init__(self, runtime: str, inferer: MixedPrecisionInferer, weights: Path, is_asked_for: bool) -> None:
        super().__init__()
        self.runtime, self.inferer, self.weights, self.is_asked_for = runtime, inferer, weights, is_asked_for
        self.device = inferer.device
        self.dtype = torch.float32 if runtime == "onnx" else inferer.dtype
        self._runs: dict[tuple[int, int], Run | None] = {}
        self._batches = 0

    def __call__(self, inputs: Tensor, network: nn.Module) -> Prediction:
        """(B, 1, H, W) image to a Prediction in float32.

        Raises:
            ValueError: The exported network does not agree with torch, and was asked for.
        """
        side = (inputs.shape[2], inputs.shape[3])
        if side not in self._runs:
            self._runs[side] = self._prepared(inputs[:CHECKED], network)
        run = self._runs[side]
        if run is None:
            return self.inferer(inputs, network)
        prediction = _computed(run, inputs)
        self._batches += 1
        if self._batches in _COMPARED:
            self._check(inputs[:1], Prediction(*(each[:1] for each in prediction)), network)
        return prediction

    def _check(self, image: Tensor, prediction: Prediction, network: nn.Module) -> None:
        difference = distance(prediction, MixedPrecisionInferer("float32", self.device)(image, network))
        if not difference <= TOLERANCE[self.dtype]:
            logger.warning(
                f"In the first image of batch {self._batches}, logits x of {_words(self.runtime, self.dtype)} differ "
                f"from torch's in float32 by {difference:.2g} (1 + |x|), more than the {TOLERANCE[self.dtype]:g} that "
                "the first images may: compare the results with those of --runtime torch"
            )

    def _prepared(self, images: Tensor, network: nn.Module) -> Run | None:
        """What computes images of this size; None if torch has to."""
        expected = MixedPrecisionInferer("float32", self.device)(images, network)
        side = (images.shape[2], images.shape[3])
        path = self.weights.with_name(f"{self.weights.stem}.{key_of(network, side)}.onnx")
        try:
            run, difference = self._tried(path.read_bytes(), images, expected)
            is_kept = difference <= TOLERANCE[self.dtype]
        except Exception:  # missing, damaged, or another program's: it is made anew
            is_kept = False
        if not is_kept:
            try:
                content = as_onnx(network, side)
                run, difference = self._tried(content, images, expected)
            except Exception as error:
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                self._refuse(f"it cannot be exported ({reason})")
                return None
            if not difference <= TOLERANCE[self.dtype]:
                self._refuse(f"logits x differ from torch's by {difference:.2g} (1 + |x|)")
                return None
            _keep(path, content)
        logger.info(
            f"The network is computed by {_words(self.runtime, self.dtype)}: logits x differ from torch's in float32 "
            f"by {difference:.1g} (1 + |x|) in {len(images)} images"
        )
        return run

    def _tried(self, content: bytes, images: Tensor, expected: Prediction) -> tuple[Run, float]:
        """The network of an ONNX file, and how far it is from torch."""
        make = _openvino if self.runtime == "openvino" else _onnxruntime
        run = make(content, images.shape[2:], self.dtype, torch.get_num_threads())
        return run, distance(_computed(run, images), expected)

    def _refuse(self, reason: str) -> None:
        text = f"{self.weights}: --runtime {self.runtime} does not do for this network: {reason}"
        if self.is_asked_for:
            raise ValueError(f"{text}. Take --runtime torch.")
        logger.warning(f"{text}; torch computes it.")


def computing(inferer: Inferer) -> str:
    """What computes predictions, once it was called.

    Example:
        >>> computing(MixedPrecisionInferer("float32", torch.device("cpu"))).startswith("torch ")
        True
    """
    if isinstance(inferer, ExportedInferer):
        is_left = None in inferer._runs.values()
        return computing(inferer.inferer) if is_left else _words(inferer.runtime, inferer.dtype)
    return _words("torch", inferer.dtype if isinstance(inferer, MixedPrecisionInferer) else None)


def _words(runtime: str, dtype: torch.dtype | None) -> str:
    name = PACKAGES[runtime][-1]
    return f"{name} {version(name)}{f' in {dtype}'.replace('torch.', '') if dtype else ''}"


def _computed(run: Run, inputs: Tensor) -> Prediction:
    results = run(np.ascontiguousarray(inputs.float().numpy()))
    score, maps = (torch.from_numpy(np.concatenate(each)) for each in zip(*results, strict=True))
    return Prediction(score, maps)


def distance(prediction: Prediction, expected: Prediction) -> float:
    """The root mean square of (x - y) / (1 + |y|) over logits, of scores or of maps, whichever is larger.

    Example:
        >>> zeros, ones = torch.zeros(1, 2), torch.ones(1, 2, 1, 1)
        >>> distance(Prediction(zeros + 0.5, ones), Prediction(zeros, ones))
        0.5
    """
    shares = [(a - b) / (1 + b.abs()) for a, b in zip(prediction, expected, strict=True)]
    return max(float(each.square().mean().sqrt()) for each in shares)


def key_of(network: nn.Module, side: tuple[int, int]) -> str:
    """A digest of all that an exported network depends on: modules with their settings, weights, versions."""
    digest = hashlib.sha256(repr((side, torch.__version__, app.__version__)).encode())
    for name, module in network.named_modules():
        settings = {key: value for key, value in vars(module).items() if isinstance(value, PLAIN)}
        digest.update(repr((name, type(module).__qualname__, sorted(settings.items()))).encode())
    for name, tensor in sorted(state_of(network).items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()[:16]


def _keep(path: Path, content: bytes) -> None:
    """Write an exported network; of earlier ones nobody has any more use."""
    try:
        write_whole(path, content)
    except OSError as error:
        logger.info(f"The exported network is not kept, and will be made again: {error}")
        return
    for other in path.parent.glob(f"{escape(path.name.rsplit('.', 2)[0])}.{'[0-9a-f]' * 16}.onnx"):
        if other != path:
            with suppress(OSError):  # somebody else's, in a folder that several people write to
                other.unlink()


def _onnxruntime(content: bytes, side: Sequence[int], dtype: torch.dtype, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_free_dimension_override_by_name("batch", 1)
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    pool = ThreadPoolExecutor(threads)
    return lambda images: list(pool.map(lambda image: session.run(None, {"image": image[None]}), images))


@cache
def _openvino_core() -> openvino.Core:
    """OpenVINO's core, one for the process and never freed.

    Its CPU plugin gives the thread that first compiles a network a signal stack, and unmaps that stack wherever it is
    freed. Freed in another thread, the next signal that the process handles ends it in a segmentation fault.
    """
    import openvino

    return openvino.Core()


def _openvino(content: bytes, side: Sequence[int], dtype: torch.dtype, threads: int) -> Run:
    core = _openvino_core()
    model = core.read_model(content)
    model.reshape([1, 1, *side])
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if dtype == torch.bfloat16 else "f32",
        "INFERENCE_NUM_THREADS": threads,
        # One image at a time: of several, OpenVINO 2026.4 computed some wrongly in a network's first moments.
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # several processes would share one core
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda images: [list(request.infer([image[None]]).values()) for image in images]
