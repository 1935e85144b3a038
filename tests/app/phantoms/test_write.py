"""Phantoms: the same bytes from the same seed, true outlines, every DICOM form the right way round, clear refusals."""

import dataclasses
import hashlib
import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom import dcmread

from app.datalist.file import read_datalist
from app.datalist.validate import validate
from app.findings import TUBES
from app.phantoms import ALL, write_phantoms
from app.phantoms.dicom import MODALITIES, SYNTAXES, WINDOWS, draw_form, encode
from app.phantoms.plan import Settings, plans
from app.phantoms.render import draw_scene, render
from transforms.read import read_radiograph

SETTINGS = Settings(3, 96, ALL, 0.2, ("PA", "AP"), (0.7, 0.1, 0.2))
COUNT = 14


def items_of(path):
    return [item for section in read_datalist(path).sections.values() for item in section]


def hashes(folder):
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("phantoms") / "made"
    write_phantoms(out, COUNT, seed=3, size=96, workers=1, progress=False)
    return out


def test_same_seed_gives_the_same_bytes_with_any_number_of_workers(folder, tmp_path):
    write_phantoms(tmp_path, COUNT, seed=3, size=96, workers=2, progress=False)
    assert hashes(tmp_path) == hashes(folder)


def test_another_seed_gives_other_images(folder, tmp_path):
    write_phantoms(tmp_path, 1, seed=4, size=96, workers=1, progress=False)
    assert hashes(tmp_path)["images/000001.dcm"] != hashes(folder)["images/000001.dcm"]


def test_images_of_a_study_show_the_same_findings(tmp_path):
    items = items_of(write_phantoms(tmp_path, 8, seed=3, size=64, images_per_study=2, workers=1, progress=False))
    by_study = {}
    for item in items:
        by_study.setdefault((item.patient, item.study), []).append(item)
    assert all(len(of_study) == 2 and of_study[0].label == of_study[1].label for of_study in by_study.values())
    uids = {item.image: dcmread(tmp_path / item.image, stop_before_pixels=True).StudyInstanceUID for item in items}
    assert all(uids[one.image] == uids[other.image] for one, other in by_study.values())
    assert len(set(uids.values())) == len(by_study) == 4
    assert json.loads((tmp_path / "phantom.json").read_text())["images_per_study"] == 2


def test_more_images_keep_the_earlier_ones(folder, tmp_path):
    write_phantoms(tmp_path, 5, seed=3, size=96, workers=1, progress=False)
    few, many = hashes(tmp_path), hashes(folder)
    assert {name: digest for name, digest in few.items() if name != "datalist.json"}.items() <= many.items()
    by_image = {item.image: item for item in items_of(folder / "datalist.json")}
    assert all(by_image[item.image] == item for item in items_of(tmp_path / "datalist.json"))


def test_interrupted_making_is_taken_up_again(folder, tmp_path):
    path = write_phantoms(tmp_path, COUNT, seed=3, size=96, workers=1, progress=False)
    path.unlink()
    (tmp_path / "images" / "000002.dcm").unlink()
    write_phantoms(tmp_path, COUNT, seed=3, size=96, workers=1, progress=False)
    assert hashes(tmp_path) == hashes(folder)


def test_complete_folder_is_left_alone(folder):
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
    write_phantoms(folder, COUNT, seed=3, size=96, workers=1, progress=False)
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*")} == before


def test_datalist_is_valid_against_its_files(folder):
    datalist = read_datalist(folder / "datalist.json")
    validate(datalist, folder, files=True)
    assert datalist.findings == ALL
    for item in items_of(folder / "datalist.json"):
        present = {name for name, value in zip(ALL, item.label, strict=True) if value}
        assert set(item.mask) == present == {box.finding for box in item.boxes}
        assert item.annotated == ALL
        assert item.view in ("PA", "AP")
        assert {"sex", "age", "drain", "tube"} <= item.attributes.keys()
        assert item.attributes["drain"] == ("Chest Drain" in present)


def test_boxes_are_tight_around_the_outlines(folder):
    for item in items_of(folder / "datalist.json"):
        for finding, mask in item.mask.items():
            outline = cv2.imread(str(folder / str(mask)), cv2.IMREAD_UNCHANGED)
            assert outline.shape == (96, 96)
            assert set(np.unique(outline)) == {0, 255}
            covered = np.zeros_like(outline)
            for box in (box for box in item.boxes if box.finding == finding):
                part = outline[int(box.y) : int(box.y + box.height), int(box.x) : int(box.x + box.width)]
                assert part[0].any()
                assert part[-1].any()
                assert part[:, 0].any()
                assert part[:, -1].any()
                covered[int(box.y) : int(box.y + box.height), int(box.x) : int(box.x + box.width)] = 255
            assert (outline > covered).sum() <= 0.2 * (outline > 0).sum()


@pytest.mark.parametrize("finding", [name for name in ALL if name not in TUBES])
def test_outlines_lie_inside_the_body(finding):
    for plan in plans(SETTINGS, 3):
        scene = draw_scene(dataclasses.replace(plan, findings=frozenset({finding})), 96)
        assert finding in scene.own
        assert (scene.own[finding] > 1).any()
        assert scene.body[scene.own[finding] > 1].min() > 0


@pytest.mark.parametrize("finding", ["Nodule", "Consolidation", "Effusion", "Pneumothorax", "Calcification"])
def test_a_finding_changes_what_the_rays_cross_inside_its_outline_and_not_outside(finding):
    plan = plans(SETTINGS, 1)[0]
    healthy = draw_scene(dataclasses.replace(plan, findings=frozenset()), 160)
    ill = draw_scene(dataclasses.replace(plan, findings=frozenset({finding})), 160)
    change = np.abs(ill.attenuation() - healthy.attenuation())
    outline = cv2.dilate((ill.own[finding] > 1).astype(np.uint8), np.ones((7, 7))) > 0
    assert change[ill.own[finding] > 1].mean() > 0.05
    assert change[~outline].mean() < 0.01 * change[outline].mean()


def test_a_nodule_shows_in_the_pixels():
    plan = plans(SETTINGS, 1)[0]
    healthy = render(dataclasses.replace(plan, findings=frozenset()), 256)
    ill = render(dataclasses.replace(plan, findings=frozenset({"Nodule"})), 256)
    outline = ill.outlines["Nodule"]
    change = ill.image - healthy.image
    assert change[outline].mean() > 0.01
    # Not zero: a denser nodule scatters less light to everywhere.
    assert np.abs(change[~cv2.dilate(outline.astype(np.uint8), np.ones((9, 9))).astype(bool)]).mean() < 0.003


def test_lungs_are_dark_and_right_in_every_dicom_form(tmp_path):
    """Each form is read back by our reader and compared with the image that was stored."""
    plan = plans(SETTINGS, 1)[0]
    radiograph = render(dataclasses.replace(plan, findings=frozenset()), 96)
    seen = Counter()
    for number in range(60):
        form = draw_form(np.random.default_rng(number))
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(encode(radiograph, plan, form))
        seen.update((form.window, f"modality {form.modality}", form.syntax, form.inverted, form.bits))
        image, _ = read_radiograph(path)
        inside = ~radiograph.shutter
        assert image.shape == (96, 96)
        assert np.corrcoef(image[inside], radiograph.image[inside])[0, 1] > 0.95, form
        dataset = dcmread(path)
        assert dataset.BitsStored == form.bits
        assert "StudyDate" not in dataset or dataset.StudyDate == ""
        assert str(dataset.PatientName).startswith("Phantom^")
    wanted = [*WINDOWS, *(f"modality {name}" for name in MODALITIES), *SYNTAXES, True, False, 12, 14, 15, 16]
    assert [name for name in wanted if not seen[name]] == []


def test_lungs_are_darker_than_the_mediastinum():
    for plan in plans(SETTINGS, 4):
        healthy = dataclasses.replace(plan, findings=frozenset(), electrodes=False)
        scene, radiograph = draw_scene(healthy, 128), render(healthy, 128)
        lungs = (scene.side[-1] + scene.side[1]) > 60
        middle = np.broadcast_to((np.abs(scene.grid.x) < 15) & (scene.grid.y > 60) & (scene.grid.y < 150), lungs.shape)
        assert radiograph.image[lungs].mean() + 0.2 < radiograph.image[middle].mean()


def test_patients_never_cross_and_sections_have_their_share():
    planned = plans(SETTINGS, 600)
    sections = {}
    for plan in planned:
        assert sections.setdefault(plan.patient, plan.section) == plan.section
    counts = Counter(plan.section for plan in planned)
    assert abs(counts["training"] - 420) <= 4
    assert abs(counts["validation"] - 60) <= 4
    assert abs(counts["test"] - 120) <= 4
    assert max(Counter(plan.patient for plan in planned).values()) == 3


@pytest.mark.parametrize(
    ("findings", "prevalence"), [(ALL, 0.2), (("Nodule",), 0.45), (("Nodule", "Effusion"), 0.3), (TUBES, 0.2)]
)
def test_prevalence_is_near_what_was_asked(findings, prevalence):
    planned = plans(dataclasses.replace(SETTINGS, findings=findings, prevalence=prevalence), 3000)
    for finding in findings:
        # Images of a patient are alike, so the standard error is about that of 2,000 images: 0.011 at most.
        assert np.mean([finding in plan.findings for plan in planned]) == pytest.approx(prevalence, abs=0.035), finding


def test_drains_come_with_pneumothorax_and_tubes_with_ap():
    planned = plans(SETTINGS, 1500)

    def share(name, plans_):
        return np.mean([name in plan.findings for plan in plans_])

    with_air = [plan for plan in planned if "Pneumothorax" in plan.findings]
    without = [plan for plan in planned if "Pneumothorax" not in plan.findings]
    assert share("Chest Drain", with_air) > 3 * share("Chest Drain", without)
    for tube in TUBES[1:]:
        assert share(tube, [p for p in planned if p.view == "AP"]) > 2 * share(
            tube, [p for p in planned if p.view == "PA"]
        )
    assert not [plan for plan in planned if {"Endotracheal Tube", "Tracheostomy Tube"} <= plan.findings]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "count is 0"),
        ({"size": 16}, "size is 16; allowed are 64 to 4096"),
        ({"seed": -1}, "seed is -1"),
        ({"findings": ("Nodul",)}, "unknown finding 'Nodul'. Did you mean 'Nodule'?"),
        ({"findings": ()}, "name one or more"),
        ({"prevalence": 1.0}, "prevalence is 1.0"),
        ({"split": (0.5, 0.1, 0.1)}, "together 1"),
        ({"views": ("LATERAL",)}, "allowed are PA and AP"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, change, message):
    arguments = {"out": tmp_path / "x", "count": 2, "seed": 0, "size": 96, "progress": False} | change
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is checked below
        write_phantoms(**arguments)
    assert message in str(caught.value)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("change", "message"), [({"seed": 9}, "seed 3 there, 9 asked"), ({"size": 128}, "size 96 there, 128")]
)
def test_a_folder_of_other_phantoms_is_refused(folder, change, message):
    with pytest.raises(ValueError, match=message):
        write_phantoms(**({"out": folder, "count": 2, "seed": 3, "size": 96, "progress": False} | change))


def test_a_folder_with_another_datalist_is_refused(tmp_path):
    (tmp_path / "datalist.json").write_text(json.dumps({"findings": ["Nodule"], "training": []}))
    with pytest.raises(ValueError, match="not of phantoms"):
        write_phantoms(tmp_path, 1, seed=0, size=96, progress=False)


def test_an_unwritable_folder_is_an_error_that_names_it(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        write_phantoms(Path(tmp_path / "file" / "out"), 1, seed=0, size=96, progress=False)
