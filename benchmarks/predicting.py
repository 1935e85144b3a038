"""From DICOM files to a table of scores: against decoding and the network alone, torchxrayvision, and MONAI's workflow.

    python -m benchmarks.predicting [--count 32] [--repeats 3] [--write docs/speed.md]

DICOM radiographs of 12 bits in 16, uncompressed, of two sizes, are scored by a DenseNet-121 with random weights at 224,
in batches of 16, on one core and one thread. Ours is what each further radiograph costs `frugal predict` without
pictures, with nothing prepared yet: it looks at headers and pixels for whether they show a chest, decodes in a process
of its own, keeps what it prepared, and writes the table. That is the difference between four times as many files as
peers have, and one batch. The rest is its start, in a row of its own: the weights are loaded and their bytes checked, a
runtime compiles the network and is compared with torch. Peers have their networks ready. torchxrayvision 1.5 reads and
prepares as its README does, by scikit-image; MONAI is an inference bundle as its model zoo writes them: PydicomReader,
ScaleIntensity, Resize, SupervisedEvaluator, ClassificationSaver. Both have the network in float32, as they come.
"Decoding" is our reading and resizing in a loop, "network" our network on a batch that is in memory. All take turns;
seconds are those of the processor, of all processes, and the best turn counts. Peers that are not installed are left
out.
"""

from __future__ import annotations

import csv
import importlib.util
import os
import resource
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.networks.nets import DenseNet121
from torch.utils.data import DataLoader, Dataset

from app.engines.record import ModelRecord
from app.networks.backbones import BackboneClassifier
from app.networks.checkpoints import save
from app.phantoms import write_phantoms
from benchmarks.reading_radiographs import write_dicom
from benchmarks.report import Row, options, publish, table
from transforms import ResizeRadiograph
from transforms.read import read_radiograph

ROOT = Path(__file__).parents[1]
SIDES = (1024, 2048)
SIZE, BATCH = 224, 16
FINDINGS = tuple(f"finding {number}" for number in range(1, 19))
"""As many as torchxrayvision has."""
RUNTIMES = {"openvino": "openvino"}
"""By name, the module that it needs; benchmarks.runtimes compares all of them."""
PEERS = ("torchxrayvision", "MONAI's inference workflow")
MORE = 4
"""Times as many files for ours."""
AIM_SUM, AIM_PEERS = 1.25, 3
Way = Callable[[], int]
"""Scores all files, and returns how many."""


def write_files(folder: Path, side: int, count: int, phantoms: list[np.ndarray]) -> list[Path]:
    """Phantoms, enlarged, each with noise of its own."""
    generator = np.random.default_rng(side)
    folder.mkdir()
    files = [folder / f"{number:04}.dcm" for number in range(count)]
    for number, file in enumerate(files):
        pixels = cv2.resize(phantoms[number % len(phantoms)], (side, side), interpolation=cv2.INTER_CUBIC)
        noise = generator.normal(0, 10, pixels.shape).astype(np.float32)
        write_dicom(file, np.rint(np.clip(pixels * 4095 + noise, 0, 4095)))
    return files


def write_weights(path: Path) -> None:
    """DenseNet-121 as it starts, with the record that a training would leave."""
    torch.manual_seed(0)
    network = BackboneClassifier(len(FINDINGS), "densenet121")
    save({"network": network.state_dict()}, path)
    thresholds = (0.5,) * len(FINDINGS)
    settings = {"image_size": SIZE, "architecture": "densenet121"}
    ModelRecord(FINDINGS, settings, thresholds, thresholds, bundle="uncertain_labels").write(path)


def inference(folder: Path, weights: Path, images: Path, runtime: str) -> Any:
    """The bundle's `inference` for a folder of images; CLAHE is left out, as peers have none."""
    parser = ConfigParser()
    parser.read_config(str(ROOT / "bundles/uncertain_labels/configs/inference.yaml"))
    steps = [step for step in parser["preprocessing::transforms"] if step["_target_"] != "transforms.CLAHEd"]
    parser["preprocessing::transforms"] = steps
    prepared = tempfile.mkdtemp(dir=folder)
    settings = {"dataset_dir": str(images), "output_dir": f"{prepared}/out", "prepared_dir": f"{prepared}/prepared"}
    settings |= {"checkpoint": str(weights), "architecture": "densenet121", "image_size": SIZE, "batch_size": BATCH}
    settings |= {"findings": list(FINDINGS), "runtime": runtime}
    for key, value in settings.items():
        parser[key] = value
    parser["inference::overlays"] = False
    return parser.get_parsed_content("inference")


def ours(folder: Path, weights: Path, images: Path, runtime: str) -> Way:
    """Each turn scores into folders of its own, so that nothing is prepared."""
    ready = [inference(folder, weights, images, runtime)]

    def run() -> int:
        one = ready.pop() if ready else inference(folder, weights, images, runtime)
        one.run(weights)
        return rows_in(one.output_dir / "predictions.csv") // len(FINDINGS)

    return run


def decoding(files: list[Path]) -> Way:
    resize = ResizeRadiograph(SIZE)

    def run() -> int:
        for file in files:
            resize(read_radiograph(file)[0][None])
        return len(files)

    return run


def network_alone(one: Any, weights: Path, count: int) -> Way:
    one.load(weights)
    images = torch.randint(0, 255, (BATCH, 1, SIZE, SIZE), dtype=torch.uint8)
    one.evaluator.predict(images)  # a runtime exports the network once, and compiles it

    def run() -> int:
        for _ in range(0, count, BATCH):
            one.evaluator.predict(images)
        return -(-count // BATCH) * BATCH

    return run


def torchxrayvision_way(files: list[Path], table_file: Path) -> Way:
    import torchxrayvision as xrv
    from torchvision.transforms import Compose

    network = xrv.models.DenseNet(num_classes=len(FINDINGS)).eval()
    transform = Compose([xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(SIZE)])

    class Files(Dataset[Any]):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, index: int) -> torch.Tensor:
            return torch.from_numpy(transform(xrv.utils.load_image(str(files[index]))))

    def run() -> int:
        with table_file.open("w", newline="") as file, torch.inference_mode():
            writer = csv.writer(file)
            names = iter(files)
            for batch in DataLoader(Files(), batch_size=BATCH):
                for scores in network(batch).tolist():
                    writer.writerow([next(names), *scores])
        return rows_in(table_file) + 1

    return run


def monai_way(files: list[Path], folder: Path) -> Way:
    keys = {"keys": "image"}
    config = {
        "network": DenseNet121(spatial_dims=2, in_channels=1, out_channels=len(FINDINGS)).eval(),
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", **keys, "reader": "PydicomReader"},
                {"_target_": "EnsureChannelFirstd", **keys},
                {"_target_": "ScaleIntensityd", **keys},
                {"_target_": "Resized", **keys, "spatial_size": [SIZE, SIZE]},
            ],
        },
        "dataset": {"_target_": "Dataset", "data": [{"image": str(file)} for file in files]},
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": BATCH, "num_workers": 0},
        "postprocessing": {"_target_": "Activationsd", "keys": "pred", "sigmoid": True},
        "saver": {
            "_target_": "ClassificationSaver",
            "output_dir": str(folder),
            "batch_transform": "$lambda batch: [each['image'].meta for each in batch]",
            "output_transform": "$lambda output: [each['pred'] for each in output]",
        },
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "$__import__('torch').device('cpu')",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": {"_target_": "SimpleInferer"},
            "postprocessing": "@postprocessing",
            "val_handlers": ["@saver"],
        },
    }
    config["dataset"]["transform"] = "@preprocessing"  # type: ignore[index]

    def run() -> int:
        ConfigParser(config).get_parsed_content("evaluator").run()
        return rows_in(folder / "predictions.csv") + 1

    return run


def rows_in(path: Path) -> int:
    """Rows of a table below its first line."""
    with path.open(newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def processor_seconds() -> float:
    """Of this process and of those that it started and that have ended."""
    of = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in of)


def measured(ways: dict[str, Way], repeats: int) -> dict[str, float]:
    """Seconds an image of each way, the best of several turns."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(repeats):
        for name, way in ways.items():
            start = processor_seconds()
            scored = way()
            assert scored >= BATCH, f"{name}: only {scored} were scored"
            best[name] = min(best[name], (processor_seconds() - start) / scored)
            print(f"{name}: {1000 * best[name]:.1f} ms", flush=True)
    return best


def rows_of(side: int, runtimes: Sequence[str], each: dict[str, float], count: int) -> list[Row]:
    """Each runtime against the sum of its parts, and against each peer; ``count`` images were scored by ours."""
    rows = []
    for runtime in runtimes:
        batch = BATCH * each[f"one batch, {runtime}"]
        mine = (count * each[f"ours, {runtime}"] - batch) / (count - BATCH)
        parts = each["decoding"] + each[f"network, {runtime}"]
        what = f"DICOM {side} to a table, {runtime}"
        rate = f"{1 / mine:.1f} images/s"
        against = f"decoding and network alone {1 / parts:.1f} images/s"
        ratio = f"{mine / parts:.2f} of their time"
        rows.append(Row(what, rate, against, ratio, f"at most {AIM_SUM}", mine / parts <= AIM_SUM))
        rows.append(Row("its start", f"{batch - BATCH * mine:.2f} s", "", ""))
        for peer in PEERS:
            if peer in each:
                against, ratio = f"{peer} {1 / each[peer]:.1f} images/s", each[peer] / mine
                rows.append(Row(what, rate, against, f"{ratio:.1f}x", f"at least {AIM_PEERS}x", ratio >= AIM_PEERS))
    return rows


def ways_of(folder: Path, side: int, files: list[Path], weights: Path, runtimes: Sequence[str]) -> dict[str, Way]:
    """All that take turns over the radiographs of a size, which lie in the folder named after it."""
    images, batch, monai = (folder / f"{what}{side}" for what in ("", "batch-", "monai-"))
    batch.mkdir()
    monai.mkdir()
    for file in files[:BATCH]:
        (batch / file.name).hardlink_to(file)
    ways = {"decoding": decoding(files)}
    for runtime in runtimes:  # the network first, since it is exported once beside the weights
        ways[f"network, {runtime}"] = network_alone(inference(folder, weights, images, runtime), weights, len(files))
        ways[f"ours, {runtime}"] = ours(folder, weights, images, runtime)
        ways[f"one batch, {runtime}"] = ours(folder, weights, batch, runtime)
    if importlib.util.find_spec("torchxrayvision"):
        ways[PEERS[0]] = torchxrayvision_way(files, folder / "torchxrayvision.csv")
    ways[PEERS[1]] = monai_way(files, monai)
    return ways


def main() -> None:
    arguments = options(__doc__, count=32, repeats=3).parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    warnings.simplefilter("ignore")
    runtimes = ["torch", *(name for name, module in RUNTIMES.items() if importlib.util.find_spec(module))]
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_phantoms(folder / "phantoms", count=4, seed=0, size=512, progress=False)
        phantoms = [read_radiograph(path)[0] for path in sorted((folder / "phantoms").rglob("*.dcm"))]
        (folder / "weights").mkdir()
        weights = folder / "weights/model.pt"
        write_weights(weights)
        for side in SIDES:
            files = write_files(folder / str(side), side, MORE * arguments.count, phantoms)[: arguments.count]
            each = measured(ways_of(folder, side, files, weights, runtimes), arguments.repeats)
            rows += rows_of(side, runtimes, each, MORE * arguments.count)
    publish("predicting", "Predicting", __doc__, table(rows), arguments.write)


if __name__ == "__main__":
    main()
