"""Which images are for us: CR and DX, frontal, chest; what a header does not say is refused unless that is opened."""

import pytest
from pydicom.uid import (
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
)

from app.service.selection import OWN, why_left_out
from app.service.settings import Images
from tests.app.service.conftest import NAME
from transforms.errors import RadiographError

CASES = {
    "CR": ({}, ""),
    "DX": ({"SOPClassUID": DigitalXRayImageStorageForPresentation}, ""),
    "AP": ({"ViewPosition": "AP"}, ""),
    "CT": ({"SOPClassUID": CTImageStorage}, "is no CR or DX image for presentation but CT Image Storage"),
    "for processing": (
        {"SOPClassUID": DigitalXRayImageStorageForProcessing},
        "is no CR or DX image for presentation but Digital X-Ray Image Storage - For Processing",
    ),
    "unknown kind": ({"SOPClassUID": "1.2.3"}, "is no CR or DX image"),
    "lateral": ({"ViewPosition": "LL"}, "is a lateral view"),
    "decubitus": ({"ViewPosition": "LLD"}, "is neither a PA nor an AP view"),
    "hand": ({"BodyPartExamined": "HAND"}, "shows the body part HAND"),
    "no view": ({"ViewPosition": None}, "its header does not say the view"),
    "no part": ({"BodyPartExamined": None}, "its header does not say the part of the body"),
    "name as part": ({"BodyPartExamined": NAME}, "its header does not say the part of the body"),
    "ours": ({"Manufacturer": "FrugalCXR"}, OWN),
    "ours, of another kind": ({"Manufacturer": "FrugalCXR", "SOPClassUID": CTImageStorage}, OWN),
    "a phantom": ({"Manufacturer": "FrugalCXR phantom"}, ""),
}


@pytest.mark.parametrize("name", CASES)
def test_reasons(written, name):
    changes, reason = CASES[name]
    assert why_left_out(written(**changes), Images()) == reason


def test_what_is_unknown_can_be_opened(written):
    assert why_left_out(written(ViewPosition=None), Images(unknown_view=True)) == ""
    assert why_left_out(written(BodyPartExamined=None), Images(unknown_part=True)) == ""


def test_any_view_concerns_view_and_part_alone(written):
    assert why_left_out(written(ViewPosition="LL", BodyPartExamined="HAND"), Images(), any_view=True) == ""
    assert why_left_out(written(SOPClassUID=CTImageStorage), Images(), any_view=True) != ""


def test_no_dicom_is_an_error(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"\x89PNG" + bytes(300))
    with pytest.raises(RadiographError, match="is not a DICOM file"):
        why_left_out(tmp_path / "a.dcm", Images())
