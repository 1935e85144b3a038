"""Writing a phantom as DICOM, in one of the many forms that hospitals' machines produce."""

from __future__ import annotations

import io
import uuid
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from app.phantoms.plan import Plan
from app.phantoms.render import Radiograph
from app.phantoms.rle import encode_frame

WINDOWS = ("linear", "linear exact", "several", "sigmoid", "table", "none")
MODALITIES = ("none", "identity", "rescale", "table")
SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "both", "none")
SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, JPEGLSLossless, JPEG2000Lossless)
VIEW_CODES = {"PA": ("272479007", "postero-anterior"), "AP": ("399348003", "antero-posterior")}
_PLUGIN = {JPEGLSLossless: "pyjpegls", JPEG2000Lossless: "pylibjpeg"}


@dataclass(frozen=True)
class Form:
    """How one image is stored.

    Attributes:
        direct: a DX image (digital) rather than a CR image (storage phosphor).
        inverted: MONOCHROME1.
        bits: BitsStored.
        window: out of ``WINDOWS``.
        modality: out of ``MODALITIES``.
        spacing: out of ``SPACINGS``.
        syntax: out of ``SYNTAXES``.
        low, high: stored values that black and white are brought to, as shares of the range.
        padded: whether the area beyond the collimator is declared as padding.
    """

    direct: bool
    inverted: bool
    bits: int
    window: str
    modality: str
    spacing: str
    syntax: UID
    low: float
    high: float
    padded: bool


def draw_form(generator: np.random.Generator) -> Form:
    """Draw a form; look-up tables have 12 bits, because tables with 65,536 entries are rare."""
    window = WINDOWS[_choice(generator, (0.42, 0.08, 0.15, 0.08, 0.12, 0.15))]
    modality = MODALITIES[_choice(generator, (0.5, 0.28, 0.12, 0.1))]
    bits = (12, 14, 15, 16)[_choice(generator, (0.5, 0.2, 0.1, 0.2))]
    direct = bool(generator.random() < 0.5)
    if direct:
        # A DX image for presentation has a window, and its stored values are the values shown (PS3.3, C.8.11.3).
        window, modality = window if window != "none" else "linear", "identity"
    return Form(
        direct=direct,
        inverted=bool(generator.random() < 0.35),
        bits=12 if "table" in (window, modality) else bits,
        window=window,
        modality=modality,
        spacing=SPACINGS[_choice(generator, (0.0, 0.7, 0.3, 0.0) if direct else (0.5, 0.3, 0.1, 0.1))],
        syntax=SYNTAXES[_choice(generator, (0.48, 0.29, 0.06, 0.12, 0.05))],
        low=float(generator.uniform(0.01, 0.08)),
        high=float(generator.uniform(0.85, 0.99)),
        padded=bool(generator.random() < 0.6),
    )


def encode(radiograph: Radiograph, plan: Plan, form: Form) -> bytes:
    """The bytes of a DICOM file; equal arguments give equal bytes."""
    stored = _stored(radiograph, form)
    dataset = _header(plan, form)
    _describe_pixels(dataset, form, stored.shape)
    _describe_padding(dataset, radiograph, form)
    lowest, highest = _describe_modality(dataset, form)
    _describe_window(dataset, form, lowest, highest)
    _describe_spacing(dataset, radiograph.spacing, form)
    dataset.PixelData = stored.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    if form.syntax == RLELossless:
        dataset.PixelData = encapsulate([encode_frame(stored)])
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
        dataset.file_meta.TransferSyntaxUID = RLELossless
    elif form.syntax.is_compressed:
        dataset.compress(form.syntax, encoding_plugin=_PLUGIN[form.syntax], generate_instance_uid=False)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _choice(generator: np.random.Generator, shares: tuple[float, ...]) -> int:
    return int(np.searchsorted(np.cumsum(shares), generator.random() * sum(shares), side="right"))


def _range(form: Form) -> tuple[int, int]:
    """Stored values of black and white before any inversion."""
    top = (1 << form.bits) - 1
    return round(form.low * top), round(form.high * top)


def _stored(radiograph: Radiograph, form: Form) -> NDArray[np.uint16]:
    black, white = _range(form)
    stored = np.round(black + radiograph.image * (white - black)).astype(np.uint16)
    stored[radiograph.shutter] = 0
    return ((1 << form.bits) - 1 - stored).astype(np.uint16) if form.inverted else stored


def _uid(plan: Plan, kind: str, number: int) -> str:
    """A UID below 2.25, the root for UUIDs (PS3.5, B.2), that follows from the seed."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'frugal phantom {plan.seed} {kind} {number}').int}"


def _header(plan: Plan, form: Form) -> Dataset:
    storage = DigitalXRayImageStorageForPresentation if form.direct else ComputedRadiographyImageStorage
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = storage
    meta.MediaStorageSOPInstanceUID = UID(_uid(plan, "image", plan.number))
    compressed = form.syntax.is_compressed
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if compressed else form.syntax
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.ImageType = ["DERIVED" if form.direct else "ORIGINAL", "PRIMARY"]
    dataset.SOPClassUID, dataset.SOPInstanceUID = storage, meta.MediaStorageSOPInstanceUID
    # Empty: a synthetic image has no date, and today's would make two runs differ.
    dataset.StudyDate = dataset.StudyTime = dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.Modality = "DX" if form.direct else "CR"
    dataset.Manufacturer = "FrugalCXR phantom"
    dataset.PatientName = f"Phantom^{plan.patient:04d}"
    dataset.PatientID = f"PHANTOM-{plan.patient:04d}"
    dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientAge = "", plan.sex, f"{plan.age:03d}Y"
    dataset.BodyPartExamined, dataset.ViewPosition = "CHEST", plan.view
    dataset.StudyInstanceUID = _uid(plan, "study", plan.first)
    dataset.SeriesInstanceUID = _uid(plan, "series", plan.number)
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = str(plan.study), 1, 1
    dataset.PatientOrientation = ["L", "F"]
    if form.direct:
        dataset.PresentationIntentType, dataset.BurnedInAnnotation = "FOR PRESENTATION", "NO"
        dataset.LossyImageCompression, dataset.ImageLaterality = "00", "U"
        _describe_detector(dataset, plan)
    return dataset


def _describe_detector(dataset: Dataset, plan: Plan) -> None:
    """What a DX image must have (PS3.3, A.26): region, view, detector, and how values follow from the beam."""
    dataset.AnatomicRegionSequence = [_code("816094009", "Chest")]
    dataset.ViewCodeSequence = [_code(*VIEW_CODES[plan.view])]
    dataset.ViewCodeSequence[0].ViewModifierCodeSequence = []
    dataset.DetectorType, dataset.PositionerType = "SCINTILLATOR", ""
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", -1
    dataset.AcquisitionContextSequence = []


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "SCT", meaning
    return code


def _describe_pixels(dataset: Dataset, form: Form, shape: tuple[int, ...]) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME1" if form.inverted else "MONOCHROME2"
    dataset.Rows, dataset.Columns = shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, form.bits, form.bits - 1
    dataset.PixelRepresentation = 0
    if form.direct:  # PS3.3, C.8.11.3.1.2: INVERSE goes with MONOCHROME1 and says the same once more.
        dataset.PresentationLUTShape = "INVERSE" if form.inverted else "IDENTITY"


def _describe_padding(dataset: Dataset, radiograph: Radiograph, form: Form) -> None:
    if form.padded and radiograph.shutter.any():
        dataset.PixelPaddingValue = (1 << form.bits) - 1 if form.inverted else 0


def _describe_modality(dataset: Dataset, form: Form) -> tuple[float, float]:
    """Describe the modality transformation; return its results for the smallest and largest stored value."""
    top = (1 << form.bits) - 1
    black, white = _range(form)
    low, high = (top - white, top - black) if form.inverted else (black, white)
    slope, intercept = {"identity": (1.0, 0.0), "rescale": (0.5, -200.0)}.get(form.modality, (1.0, 0.0))
    if form.modality in ("identity", "rescale"):
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = slope, intercept, "US"
    if form.modality == "table":
        curve = np.round(0xFFFF * (np.arange(top + 1) / top) ** 1.15).astype("<u2")
        dataset.ModalityLUTSequence = [_table(curve, 0, 16)]
        dataset.ModalityLUTSequence[0].ModalityLUTType = "US"
        return float(curve[low]), float(curve[high])
    return slope * low + intercept, slope * high + intercept


def _describe_window(dataset: Dataset, form: Form, lowest: float, highest: float) -> None:
    centre, width = (lowest + highest) / 2, highest - lowest
    centre, width = round(centre, 1), round(max(width, 2.0), 1)
    if form.window == "several":
        dataset.WindowCenter, dataset.WindowWidth = [centre, round(0.95 * centre, 1)], [width, round(0.7 * width, 1)]
        dataset.WindowCenterWidthExplanation = ["NORMAL", "HARDER"]
    elif form.window in ("linear", "linear exact", "sigmoid"):
        dataset.WindowCenter, dataset.WindowWidth = centre, width
        if form.window != "linear":
            dataset.VOILUTFunction = form.window.upper().replace(" ", "_")
    elif form.window == "table":
        first, last = int(np.floor(max(lowest, 0))), int(np.ceil(highest))
        share = np.linspace(0, 1, last - first + 1)
        soft = 65535 * (0.75 * share + 0.25 * share * share * (3 - 2 * share))
        dataset.VOILUTSequence = [_table(np.round(soft).astype("<u2"), first, 16)]


def _table(values: NDArray[np.uint16], first: int, bits: int) -> Dataset:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [len(values), first, bits])
    table.add_new("LUTData", "OW", values.tobytes())
    return table


def _describe_spacing(dataset: Dataset, spacing: float, form: Form) -> None:
    if form.spacing in ("ImagerPixelSpacing", "both"):
        dataset.ImagerPixelSpacing = [round(spacing, 4)] * 2
    if form.spacing in ("PixelSpacing", "both"):
        dataset.PixelSpacing = [round(spacing, 4)] * 2
