"""How fast torch, ONNX Runtime and OpenVINO compute the bundles' networks on one processor core, and how alike.

    FRUGAL_DATA=... OMP_NUM_THREADS=1 python -m benchmarks.runtimes [--rounds 5] [--networks 3] [--write docs/speed.md]

Processor time for a radiograph, the shortest of several rounds in which all take turns, one thread each: torch (eager,
channels last), and the two other programs as `frugal predict` calls them. Small forms have the weights that come with
the bundles, and batches of 8; published forms random weights, and batches of 2. The images are radiographs of
ChestX-ray14, resized (noise without FRUGAL_DATA). "Apart" is the root mean square of the difference from torch in
float32, of logits x divided by 1 + |x|, of scores or maps, whichever is larger. On a processor that computes bfloat16,
such as this one, torch took bfloat16 before and OpenVINO takes it now; on others both take float32.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from monai.bundle import ConfigParser
from torch import Tensor, nn

from app.contract import Prediction
from app.engines.device import MixedPrecisionInferer
from app.engines.runtimes import distance, inferer_of
from app.pages.numbers import markdown_table
from benchmarks.report import machine, options, publish
from transforms import read_radiograph
from transforms.resize import ResizeRadiograph

BUNDLES = Path("bundles")
AIMS = {"small": 3.0, "tube_detection, published": 2.0}
"""Times torch in float32: of the small forms, and of DenseNet-121 at 512 pixels."""
WAYS = (
    ("torch", "float32"),
    ("torch", "bfloat16"),
    ("onnx", "float32"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
)
HEAD = ("network", "torch float32", "torch bfloat16", "ONNX Runtime", "OpenVINO float32", "OpenVINO bfloat16", "aim")
CPU = torch.device("cpu")


def main() -> None:
    parser = options(__doc__, rounds=5, networks=99)
    arguments = parser.parse_args()
    forms = [(path.parents[1], False) for path in sorted(BUNDLES.glob("*/configs/inference.yaml"))]
    forms += [(bundle, True) for bundle, _ in forms if (bundle / "configs/published.yaml").is_file()]
    rows = [row(bundle, is_published, arguments.rounds) for bundle, is_published in forms[: arguments.networks]]
    text = "\n".join([*markdown_table(HEAD, rows, left=1), "", machine()])
    publish("runtimes", "Runtimes", __doc__, text, arguments.write)


def row(bundle: Path, is_published: bool, rounds: int) -> list[str]:
    """The line of a network: milliseconds for an image, how many times as fast as torch in float32, and difference."""
    network, size = made(bundle, is_published)
    images = radiographs(size, 2 if is_published else 8)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        calls = {way: call(way, network, images, Path(folder)) for way in WAYS}
        predictions = {way: each() for way, each in calls.items()}
        seconds = shortest(calls, rounds)
    name = f"{bundle.name}, {'published' if is_published else 'small'}"
    aim = AIMS.get("small" if not is_published else name)
    ratios = {way: seconds[WAYS[0]] / each for way, each in seconds.items()}
    cells = [f"{1000 * seconds[WAYS[0]] / len(images):.1f} ms"]
    for way in WAYS[1:]:
        apart = distance(predictions[way], predictions[WAYS[0]])
        cells.append(f"{1000 * seconds[way] / len(images):.1f} ms: {ratios[way]:.2f}x, apart {apart:.0e}")
    reached = "" if aim is None else f"{aim:g}x: {'yes' if max(ratios[way] for way in WAYS[2:]) >= aim else 'no'}"
    print(name, size, cells, flush=True)
    return [f"{name}, {size} pixels", *cells, reached]


def made(bundle: Path, is_published: bool) -> tuple[nn.Module, int]:
    """A network in evaluation mode, and the side of its images."""
    parser = ConfigParser()
    names = ["inference", *(["published"] if is_published else [])]
    parser.read_config([str(bundle / f"configs/{name}.yaml") for name in names])
    torch.manual_seed(0)
    network = parser.get_parsed_content("network_def").eval()
    if not is_published:
        network.load_state_dict(torch.load(bundle / "models/model.pt", weights_only=True))
    elif hasattr(network, "set_stage"):
        network.set_stage(2)  # with the CRF
    return network.eval(), int(parser["image_size"])


def radiographs(size: int, count: int) -> Tensor:
    """Images (count, 1, size, size) in [0, 1]."""
    folder = os.environ.get("FRUGAL_DATA")
    if not folder:
        return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(0))
    paths = sorted(Path(folder, "nih", "images").glob("*.png"))[:count]
    resize = ResizeRadiograph(size)
    return torch.stack([torch.as_tensor(resize(read_radiograph(path)[0][None])) for path in paths]).float()


def call(way: tuple[str, str], network: nn.Module, images: Tensor, folder: Path) -> Callable[[], Prediction]:
    """A function that computes all images in one way."""
    inferer = inferer_of(way[0], MixedPrecisionInferer(way[1], CPU), folder / "model.pt")
    return lambda: inferer(images, network)


def shortest(calls: dict[tuple[str, str], Callable[[], Prediction]], rounds: int) -> dict[tuple[str, str], float]:
    """Seconds of the processor by way, the shortest of the rounds."""
    seconds = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for way, each in calls.items():
            begin = time.process_time()
            each()
            seconds[way] = min(seconds[way], time.process_time() - begin)
    return seconds


if __name__ == "__main__":
    main()
