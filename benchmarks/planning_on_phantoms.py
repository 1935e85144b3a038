"""Plans carried out: a pilot on phantoms, a plan from it, and then networks trained with it and with simple rules.

    OMP_NUM_THREADS=1 python -m benchmarks.planning_on_phantoms --out runs/planning

Each repetition makes its own phantoms, trains a pilot of at most 400 images a cell (four sizes of four levels and
three mixtures, three seeds), plans for a budget beyond it, and trains the plan, the equal split, all image-level labels
and all outlines at that budget, three seeds each. Every network makes about 300 steps, as the pilot's cells do
(``--longer``: as many epochs as its largest cells). Printed are the mean areas in points with their standard errors,
the plan's interval, whether it holds the mean, and how far the plan is from the best of the four. What has run is not
run again. A repetition takes a quarter of an hour of one core.
"""

from __future__ import annotations

import argparse
import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.datalist.file import read_datalist, write_datalist
from app.files.atomic import write_whole
from app.phantoms.opened import made_phantoms
from app.planning.pilot import read_pilots
from app.planning.pilot_study import PilotStudy, pilot_study, study_text
from app.planning.planner import Choice, Planner
from app.planning.prices import Prices, Purchase
from app.sweeps.outcomes import gather
from app.sweeps.runner import Launcher, run_all
from app.sweeps.study_file import read_sweep
from app.sweeps.sweep_output import write_outcomes

FINDINGS = ["Atelectasis", "Consolidation", "Effusion", "Pneumothorax"]
PILOT = 400
EPOCHS = 12
SMALL = {"image_size": 64, "width": 8}
VALIDATION = 80
"""Images; the other ones of the section are tested on, since small cells validate after each of many short epochs."""
SEEDS = [0, 1, 2]
"""Of the plans that are carried out."""
POOL = 1_400
BUDGET = 1_000.0
EACH = {"nlp": 0.02, "image": 0.5, "box": 1.5, "outline": 5.0}
SETUP = {"nlp": 20.0}


def prices() -> Prices:
    """Minutes an image; the pilot's outlines are owned."""
    purchases = tuple(Purchase(level, each, SETUP.get(level, 0.0)) for level, each in EACH.items())
    return Prices("minutes", purchases, {"outline": PILOT}, POOL, frozenset({"box", "outline"}))


def with_little_validation(path: Path) -> Path:
    """The datalist with fewer images in its validation section and more in its test section."""
    datalist = read_datalist(path)
    validation, test = datalist.sections["validation"], datalist.sections["test"]
    sections = {"validation": validation[:VALIDATION], "test": [*test, *validation[VALIDATION:]]}
    changed = path.with_name("little_validation.json")
    write_datalist(replace(datalist, sections={**datalist.sections, **sections}), changed)
    return changed


def run_study(study: dict[str, Any], folder: Path) -> Path:
    """Train what has not run; the folder with the table."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "study.yaml", study_text(study))
    sweep = read_sweep(folder / "study.yaml")
    launcher = Launcher(sweep, folder)
    runs = launcher.runs()
    run_all(launcher, runs)
    write_outcomes(gather(sweep, runs), folder)
    return folder


def areas(folder: Path) -> dict[str, tuple[float, float]]:
    """Macro area of each cell in points: the mean over seeds, and its standard error."""
    with (folder / "table.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "auc.macro"]
    return {
        row["annotations"]: (100 * float(row["mean"]), 100 * float(row["sd"]) / math.sqrt(float(row["n"])))
        for row in rows
    }


def cell_of(choice: Choice, levels: tuple[str, ...], longer: bool) -> dict[str, Any]:
    """The training section of a plan, for as many steps as the pilot's cells make, or as many epochs as the largest."""
    images = {level: int(count) for level, count in zip(levels, choice.plan.sizes[0], strict=True) if count}
    quality = {"f1": 0.8} if "nlp" in images else {}
    epochs = EPOCHS if longer else math.ceil(EPOCHS * PILOT / sum(images.values()))
    return {"max_epochs": epochs, "data": {"mix": images, **quality}}


def repetition(seed: int, folder: Path, pilot_seeds: int, longer: bool) -> str:
    """A line of the table."""
    phantoms = {"count": 2_700, "seed": seed, "size": 128, "prevalence": 0.3, "findings": FINDINGS}
    datalist = with_little_validation(made_phantoms(phantoms, folder / "phantoms"))
    asked = PilotStudy(datalist, "annotation_cost", PILOT, EPOCHS, pilot_seeds, f1=0.8)
    study = pilot_study(asked, f"pilot_{seed}") | {"fixed": SMALL}
    (pilot,) = read_pilots(run_study(study, folder / f"pilot_{seed}"), "auc.macro")
    planner = Planner([pilot], prices())
    plan = planner.for_budget(BUDGET)
    choices = {"plan": plan} | {rule.rule.replace(" ", "_"): rule for rule in planner.simple_rules(BUDGET)}
    kept = {name: choices[name] for name in ("plan", "equal_split", "all_image", "all_outline")}
    cells = {name: cell_of(choice, pilot.levels, longer) for name, choice in kept.items()}
    name = f"{'longer' if longer else 'plans'}_{seed}"
    carried_out = study | {"name": name, "factors": {"annotations": cells}, "seeds": SEEDS}
    reached = areas(run_study(carried_out, folder / name))
    lower, upper = 100 * plan.metric.lower, 100 * plan.metric.upper
    numbers = " | ".join(f"{mean:.1f} ± {error:.1f}" for mean, error in (reached[name] for name in kept))
    mean = reached["plan"][0]
    behind = max(each for each, _ in reached.values()) - mean
    bought = ", ".join(f"{int(n)} {level}" for level, n in zip(EACH, plan.plan.counts[0], strict=True) if n)
    interval = f"{lower:.1f} to {upper:.1f} | {'yes' if lower <= mean <= upper else 'no'}"
    return f"| {seed} | {bought} | {numbers} | {interval} | {behind:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], metavar="N", help="a repetition each (default: 0 to 4)"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/planning_on_phantoms"), metavar="DIR")
    parser.add_argument("--pilot-seeds", type=int, default=3, metavar="N", help="of each cell (default: 3)")
    parser.add_argument(
        "--longer", action="store_true", help="train plans for as many epochs as the pilot's largest cells"
    )
    arguments = parser.parse_args()
    print("| seed | bought | plan | equal split | all image | all outline | interval | holds | behind the best |")
    print("|---|---|---|---|---|---|---|---|---|")
    for seed in arguments.seeds:
        print(repetition(seed, arguments.out, arguments.pilot_seeds, arguments.longer), flush=True)


if __name__ == "__main__":
    main()
