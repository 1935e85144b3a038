"""Plan of each phantom: patient, view, findings, tubes and section."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from app.datalist.item import SECTIONS
from app.findings import LUNGS, TUBES
from app.phantoms.findings import FINDINGS

_NORMAL = 0.25
"""Share of images without any finding, on top of those that chance leaves without one."""
_FOLLOWED = 0.7
"""How often a later image of a patient has a finding for the patient's sake rather than by a new draw."""
_AP = 0.4


@dataclass(frozen=True)
class Settings:
    """What a folder of phantoms was asked to be; with the count left out, it fixes every byte of every image.

    Attributes:
        seed: 0 or more.
        size: pixels along each side.
        findings: in the order of the datalist's labels.
        prevalence: share of images with each finding.
        views: PA, AP or both.
        split: shares of training, validation and test.
        images_per_study: how many images each study has; all show its findings, each drawn anew.
    """

    seed: int
    size: int
    findings: tuple[str, ...]
    prevalence: float
    views: tuple[str, ...]
    split: tuple[float, float, float]
    images_per_study: int = 1

    def described(self) -> dict[str, object]:
        """The settings by name, without those that were added later and are as they were before."""
        return {name: value for name, value in asdict(self).items() if (name, value) != ("images_per_study", 1)}


@dataclass(frozen=True)
class Plan:
    """What one image shows.

    Attributes:
        seed: of the whole folder.
        number: of the image, from 1.
        patient: number of the patient, from 1.
        study: number of the patient's study, from 1.
        section: training, validation or test.
        view: PA or AP.
        sex: M or F.
        age: in years, 90 for all above.
        findings: findings and tubes that are drawn, whether or not the datalist names them; the lungs if requested.
        electrodes: whether electrodes lie on the chest.
        first: number of the first image of the study.
    """

    seed: int
    number: int
    patient: int
    study: int
    section: str
    view: str
    sex: str
    age: int
    findings: frozenset[str]
    electrodes: bool
    first: int = 1

    def stream(self, name: str) -> np.random.Generator:
        """Random numbers of this image for one purpose; another purpose's draws never move them."""
        return _stream(self.seed, 1, self.number, name)

    def patient_stream(self, name: str) -> np.random.Generator:
        """Random numbers that all images of the patient share."""
        return _stream(self.seed, 2, self.patient, name)


def plans(settings: Settings, count: int) -> list[Plan]:
    """The first ``count`` images of a seed; a larger count begins with the same ones."""
    made: list[Plan] = []
    filled = np.zeros(len(SECTIONS))
    patient = 0
    while len(made) < count:
        patient += 1
        studies = int(1 + np.searchsorted((0.72, 0.92), _stream(settings.seed, 2, patient, "images").random()))
        images = studies * settings.images_per_study
        # The section that is furthest behind its share gets the next patient: close at any count.
        behind = np.array(settings.split) * (filled.sum() + images) - filled
        place = int(np.argmax(np.where(np.array(settings.split) > 0, behind, -np.inf)))
        filled[place] += images
        for study in range(1, studies + 1):
            first = _plan(settings, len(made) + 1, patient, study, SECTIONS[place])
            made.append(first)
            for _ in range(1, settings.images_per_study):
                another = _plan(settings, len(made) + 1, patient, study, SECTIONS[place])
                made.append(replace(another, findings=first.findings, first=first.number))
    return made[:count]


def default_prevalence(findings: Sequence[str]) -> float:
    """About half for one finding alone, so that classes can be sampled 1:1; a fifth among many."""
    return {1: 0.45, 2: 0.35}.get(len(findings), 0.2)


def _stream(seed: int, kind: int, number: int, name: str) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, kind, number, zlib.crc32(name.encode())]))


def _plan(settings: Settings, number: int, patient: int, study: int, section: str) -> Plan:
    person = _stream(settings.seed, 2, patient, "person")
    image = _stream(settings.seed, 1, number, "plan")
    sex = "M" if person.random() < 0.53 else "F"
    age = int(np.clip(person.normal(56, 18), 18, 90))
    chance = dict(zip((*FINDINGS, *TUBES, "normal"), person.random(len(FINDINGS) + len(TUBES) + 1), strict=True))
    anew = image.random(len(chance))
    own = image.random(len(chance)) > _FOLLOWED
    chance = {name: float(anew[k] if own[k] else value) for k, (name, value) in enumerate(chance.items())}
    view = "AP" if image.random() < _AP else "PA"
    view = view if view in settings.views else settings.views[0]
    present = _drawn_findings(settings, chance)
    tubes = _drawn_tubes(settings, chance, view, "Pneumothorax" in present)
    electrodes = bool(image.random() < (0.5 if view == "AP" else 0.05))
    drawn = frozenset(present | tubes | ({LUNGS} & set(settings.findings)))
    return Plan(settings.seed, number, patient, study, section, view, sex, age, drawn, electrodes, number)


def _drawn_findings(settings: Settings, chance: dict[str, float]) -> set[str]:
    asked = [name for name in settings.findings if name in FINDINGS]
    normal = min(_NORMAL, 1 - settings.prevalence) if len(asked) > 1 else 0.0
    if chance["normal"] < normal:
        return set()
    return {name for name in asked if chance[name] < settings.prevalence / (1 - normal)}


def _drawn_tubes(settings: Settings, chance: dict[str, float], view: str, pneumothorax: bool) -> set[str]:
    """Tubes are there whether asked for or not, mostly in AP images, and drains mostly with a pneumothorax."""
    share = {name: settings.prevalence if name in settings.findings else 0.1 for name in TUBES}
    both = len(settings.views) == 2
    often = (1.75 if view == "AP" else 0.5) if both else 1.0
    odds = {name: min(often * share[name], 0.95) for name in TUBES}
    sick = settings.prevalence if "Pneumothorax" in settings.findings else 0.0
    with_air = min(3.5 * share["Chest Drain"], 0.9)
    without = max(share["Chest Drain"] - sick * with_air, 0.2 * share["Chest Drain"]) / max(1 - sick, 0.05)
    odds["Chest Drain"] = with_air if pneumothorax else min(often * without, 0.95)
    present = {name for name in ("Chest Drain", "Nasogastric Tube") if chance[name] < odds[name]}
    # One airway holds one tube: the second is drawn among those without the first.
    if chance["Endotracheal Tube"] < odds["Endotracheal Tube"]:
        present.add("Endotracheal Tube")
    elif chance["Tracheostomy Tube"] < odds["Tracheostomy Tube"] / max(1 - odds["Endotracheal Tube"], 0.05):
        present.add("Tracheostomy Tube")
    return present
