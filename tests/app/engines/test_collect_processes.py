"""An evaluation shared by two processes ends with the numbers of one."""

import os
from pathlib import Path

import numpy as np
import torch
from ignite.engine import Engine
from monai.utils.enums import CommonKeys
from torch import distributed, multiprocessing

from app.contract import Prediction, Target
from app.engines.collect import CollectOutputs
from app.engines.outputs import Outputs


def batches() -> list[tuple[Prediction, Target, torch.Tensor]]:
    """Five batches of three items, two findings, some unlabelled, some located."""
    generator = torch.Generator().manual_seed(3)
    made = []
    for number in range(5):
        maps = torch.randn(3, 2, 4, 4, generator=generator)
        label = torch.randint(-1, 2, (3, 2), generator=generator).float()
        mask = (torch.rand(3, 2, 8, 8, generator=generator) > 0.7).float()
        annotated = torch.rand(3, 2, generator=generator) > 0.3
        target = Target(label, mask * (label == 1)[..., None, None], annotated)
        made.append((Prediction(maps.amax(dim=(2, 3)), maps), target, torch.arange(3) + 3 * number))
    return made


def collected(numbers: list[int]) -> tuple[Outputs, dict[str, float]]:
    """A pass over some of the batches."""

    def step(engine: Engine, number: int) -> dict:
        prediction, target, index = batches()[number]
        engine.state.batch = {"index": index}
        return {CommonKeys.PRED: prediction, CommonKeys.LABEL: target}

    engine, collect = Engine(step), CollectOutputs()
    collect.attach(engine)
    engine.run(numbers)
    return collect.outputs, engine.state.metrics


def share(rank: int, folder: str) -> None:
    """One of two processes: every second batch, the last of which both visit."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "RANK": str(rank), "WORLD_SIZE": "2"}
    distributed.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    outputs, metrics = collected([[0, 2, 4], [1, 3, 4]][rank])
    arrays = {name: torch.as_tensor(value) for name, value in vars(outputs).items() if name != "loss"}
    torch.save({"arrays": arrays, "metrics": metrics}, Path(folder) / f"{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_end_with_the_numbers_of_one(tmp_path):
    multiprocessing.spawn(share, (str(tmp_path),), nprocs=2)
    expected, metrics = collected([0, 1, 2, 3, 4])
    for rank in range(2):
        seen = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        # The batch that both visited counts once.
        for name, array in seen["arrays"].items():
            np.testing.assert_array_equal(array.numpy(), getattr(expected, name), err_msg=name)
        assert (seen["metrics"]["auc"], seen["metrics"]["dice"]) == (metrics["auc"], metrics["dice"])
