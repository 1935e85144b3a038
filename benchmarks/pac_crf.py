"""Time and memory of the mean field over patches (app.networks.mean_field) against a loop over windows and unfolding.

    python -m benchmarks.pac_crf [--images 48] [--runs 3] [--write docs/speed.md]

Forward and backward pass, 14 findings, 20 x 20 patches, a window of 19 x 19, 5 steps: gradients to unaries, features
and compatibility. Each form runs in a process of its own, one thread, in turn; reported are the shortest time of the
runs and the highest resident memory above what the process held before. All three must agree to 1e-4 of the largest
number.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from app.networks.mean_field import gaussian_kernel, mean_field
from benchmarks.report import Row, options, publish, table

FINDINGS, SIDE, WINDOW, STEPS, FEATURES = 14, 20, 19, 5, 16


def tiles(unary: Tensor, features: Tensor, compatibility: Tensor) -> Tensor:
    """The form that is used."""
    return mean_field(unary, gaussian_kernel(features), compatibility, STEPS)


def loop(unary: Tensor, features: Tensor, compatibility: Tensor) -> Tensor:
    """Patch by patch, the window cut out."""
    batch, _, rows, columns = unary.shape
    kernel, half, here = gaussian_kernel(features), WINDOW // 2, unary
    for _ in range(STEPS):
        z, found = torch.sigmoid(here), []
        for y in range(rows):
            for x in range(columns):
                top, bottom = max(0, y - half), min(rows, y + half + 1)
                left, right = max(0, x - half), min(columns, x + half + 1)
                window = compatibility[:, :, top - y + half : bottom - y + half, left - x + half : right - x + half]
                near = kernel[:, y * columns + x].view(batch, 1, rows, columns)[:, :, top:bottom, left:right].clone()
                near[:, :, y - top, x - left] = 0
                found.append(torch.einsum("bcyx,kcyx->bk", near * z[:, :, top:bottom, left:right], window))
        here = unary + torch.stack(found, dim=2).view_as(unary)
    return here


def unfolded(unary: Tensor, features: Tensor, compatibility: Tensor) -> Tensor:
    """Windows of features and of each step's z laid out beside each other, as pixel-adaptive convolution is written."""
    batch, findings, rows, columns = unary.shape
    near = functional.unfold(features, WINDOW, padding=WINDOW // 2).view(batch, FEATURES, WINDOW**2, rows * columns)
    kernel = torch.exp(-0.5 * (near - features.flatten(2)[:, :, None]).square().sum(dim=1))
    mask = torch.ones(WINDOW**2, 1)
    mask[WINDOW**2 // 2] = 0
    kernel, weight, here = kernel * mask, compatibility.flatten(2), unary
    for _ in range(STEPS):
        windows = functional.unfold(torch.sigmoid(here), WINDOW, padding=WINDOW // 2)
        product = windows.view(batch, findings, WINDOW**2, rows * columns) * kernel[:, None]
        here = unary + torch.einsum("bcoj,kco->bkj", product, weight).view_as(unary)
    return here


FORMS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"tiles": tiles, "loop": loop, "unfolded": unfolded}


def inputs(images: int) -> list[Tensor]:
    """Unaries, features and compatibility, the same for all forms."""
    generator = torch.Generator().manual_seed(0)
    unary = torch.randn(images, FINDINGS, SIDE, SIDE, generator=generator)
    features = 0.3 * torch.randn(images, FEATURES, SIDE, SIDE, generator=generator)
    compatibility = 0.01 * torch.randn(FINDINGS, FINDINGS, WINDOW, WINDOW, generator=generator)
    return [each.requires_grad_() for each in (unary, features, compatibility)]


def measure(form: str, images: int) -> dict[str, object]:
    """Seconds, peak memory in MB, and a few numbers to compare, of one pass in this process."""
    torch.set_num_threads(1)
    given = inputs(images)
    small = [each.detach()[:1].clone().requires_grad_() for each in given[:2]] + [given[2]]
    FORMS[form](*small).sum().backward()
    given[2].grad = None
    before, start = resident_now(), time.perf_counter()
    result = FORMS[form](*given)
    result.square().mean().backward()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    numbers = [result.detach(), *(each.grad for each in given)]
    largest = [float(each.abs().max()) for each in numbers if each is not None]
    picked = [each.flatten()[:: max(1, each.numel() // 50)].tolist() for each in numbers if each is not None]
    return {"seconds": seconds, "megabytes": peak / 1024, "largest": largest, "numbers": picked}


def resident_now() -> int:
    """Resident memory of this process in kB (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def in_own_process(form: str, images: int) -> dict[str, object]:
    """``measure`` in a new process."""
    command = [sys.executable, "-m", "benchmarks.pac_crf", "--form", form, "--images", str(images)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def compare(images: int, runs: int) -> list[Row]:
    """Run the forms in turn; a row a peer and quantity.

    Raises:
        SystemExit: a form computes something else.
    """
    found: dict[str, list[dict[str, object]]] = {form: [] for form in FORMS}
    for _ in range(runs):
        for form in FORMS:
            found[form].append(in_own_process(form, images))
    seconds = {form: min(float(str(each["seconds"])) for each in found[form]) for form in FORMS}
    memory = {form: max(float(str(each["megabytes"])) for each in found[form]) for form in FORMS}
    rows = []
    for form in ("loop", "unfolded"):
        if difference(found["tiles"][0], found[form][0]) > 1e-4:
            raise SystemExit(f"{form} computes something else")
        aim = 8 if form == "unfolded" else None
        for what, unit, each in (("time", "s", seconds), ("memory", "MB", memory)):
            ratio, digits = each[form] / each["tiles"], 2 if unit == "s" else 0
            ours, theirs = f"{each['tiles']:.{digits}f} {unit}", f"{form} {each[form]:.{digits}f} {unit}"
            is_reached = None if aim is None else ratio >= aim
            text = "" if aim is None else f"at least {aim}x"
            rows.append(Row(f"mean field, {what}, {images} images", ours, theirs, f"{ratio:.1f}x", text, is_reached))
    return rows


def difference(one: dict[str, object], other: dict[str, object]) -> float:
    """The largest difference of compared numbers, as a share of the largest number of their kind."""
    shares = []
    for a, b, largest in zip(one["numbers"], other["numbers"], one["largest"], strict=True):  # type: ignore[call-overload]
        shares.append(float((torch.tensor(a) - torch.tensor(b)).abs().max()) / largest)
    return max(shares)


def main() -> None:
    parser = options(__doc__, images=48, runs=3)
    parser.add_argument("--form", choices=FORMS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.form:
        print(json.dumps(measure(arguments.form, arguments.images)))
        return
    rows = compare(arguments.images, arguments.runs)
    publish("pac_crf", "Mean field over patches", __doc__, table(rows), arguments.write)


if __name__ == "__main__":
    main()
