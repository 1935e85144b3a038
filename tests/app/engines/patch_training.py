"""A tiny patch network with its CRF, and as much of a MONAI trainer as the handlers of a training use."""

import torch
from ignite.engine import Engine

from app.contract import Prediction, Target
from app.losses.relaxed import RelaxedThresholdLoss
from app.networks.pac_crf import PACCRF, PatchFeatures
from app.networks.patch_network import PatchNetwork
from app.networks.patch_thresholds import PatchCountPooling, PatchThresholds
from app.networks.preactivation_resnet import PreactivationResNet


def network(thresholds: PatchThresholds, crf: bool = True) -> PatchNetwork:
    torch.manual_seed(0)
    pooling = PatchCountPooling(thresholds)
    parts = (PACCRF(2, window=3, steps=2), PatchFeatures(2, halvings=3, width=2)) if crf else (None, None)
    return PatchNetwork(PreactivationResNet((1, 1), width=2), 2, 4, pooling, *parts)


def inferer(image: torch.Tensor, called: torch.nn.Module) -> Prediction:
    result: Prediction = called(image)
    return result


class Trainer(Engine):
    """As much of MONAI's trainer as handlers use."""

    def __init__(self, net: PatchNetwork, thresholds: PatchThresholds) -> None:
        super().__init__(lambda engine, batch: self.step(batch))
        self.network, self.non_blocking = net, False
        self.loss = RelaxedThresholdLoss(thresholds)
        self.optimizer = torch.optim.Adam(net.parameters(), 1e-2, weight_decay=1e-2)
        self.state.device = torch.device("cpu")
        generator = torch.Generator().manual_seed(0)
        mask = torch.zeros(2, 2, 32, 32)
        mask[0, 0, :16, :16] = 1
        label, annotated = torch.tensor([[1.0, 0], [0, 1]]), torch.tensor([[True, False], [False, False]])
        image = torch.rand(2, 1, 32, 32, generator=generator)
        self.data_loader = [{"image": image, "label": label, "mask": mask, "annotated": annotated}]

    def prepare_batch(self, batch, device, non_blocking):
        return batch["image"], Target(batch["label"], batch["mask"], batch["annotated"])

    def step(self, batch: dict[str, torch.Tensor]) -> float:
        self.network.train()
        image, target = self.prepare_batch(batch, None, False)
        self.optimizer.zero_grad(set_to_none=False)
        loss = self.loss(self.network(image), target)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name.split(".")[0] for name, value in after.items() if not torch.equal(value, before[name])}


def copied(net: PatchNetwork) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}
