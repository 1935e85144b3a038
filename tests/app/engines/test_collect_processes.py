"""An evaluation shared by two processes ends with the numbers of one."""

import os
from pathlib import Path

import numpy as np
import torch
from torch import distributed, multiprocessing

from app.contract import Prediction, Target
from app.engines.collect import MacroAuc, MacroDice, OutputsBuffer


def batches() -> list[tuple[Prediction, Target, np.ndarray]]:
    """Five batches of three items, two findings, some unlabelled, some located."""
    generator = torch.Generator().manual_seed(3)
    found = []
    for number in range(5):
        here = torch.randn(3, 2, 4, 4, generator=generator)
        label = torch.randint(-1, 2, (3, 2), generator=generator).float()
        mask = (torch.rand(3, 2, 8, 8, generator=generator) > 0.7).float()
        annotated = torch.rand(3, 2, generator=generator) > 0.3
        target = Target(label, mask * (label == 1)[..., None, None], annotated)
        found.append((Prediction(here.amax(dim=(2, 3)), here), target, np.arange(3) + 3 * number))
    return found


def share(rank: int, folder: str) -> None:
    """One of two processes: every second batch, the last of which both visit."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "RANK": str(rank), "WORLD_SIZE": "2"}
    distributed.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    buffer, area, overlap = OutputsBuffer(), MacroAuc(), MacroDice()
    mine = batches()[rank::2] + ([batches()[4]] if rank else [])
    for number, (prediction, target, index) in enumerate(mine):
        buffer.add(prediction, target, index, loss=float(index[0]))
        if not (rank and number == len(mine) - 1):
            area.update((prediction, target))
            overlap.update((prediction, target))
    outputs = buffer.joined()
    values = {"auc": area.compute(), "dice": overlap.compute()}
    order = np.argsort(outputs.index)
    torch.save({**values, "index": outputs.index[order].tolist(), "score": outputs.score[order].tolist(),
                "buffered_auc": outputs.macro_auc(), "buffered_dice": outputs.best_macro_dice()},
               Path(folder) / f"{rank}.pt")  # fmt: skip
    distributed.destroy_process_group()


def test_two_processes_end_with_the_numbers_of_one(tmp_path):
    multiprocessing.spawn(share, (str(tmp_path),), nprocs=2)
    alone = OutputsBuffer()
    for prediction, target, index in batches():
        alone.add(prediction, target, index)
    expected = alone.joined()
    for rank in range(2):
        seen = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        # The batch that both visited counts once.
        assert seen["index"] == expected.index.tolist()
        np.testing.assert_array_equal(seen["score"], expected.score)
        assert seen["auc"] == seen["buffered_auc"] == expected.macro_auc()
        assert seen["dice"] == seen["buffered_dice"] == expected.best_macro_dice()
