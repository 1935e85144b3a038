"""Settings of a service: one YAML file, in which an unknown key is an error."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from app.checking.documents import read_document
from app.dicom.kinds import Kind

Port = Annotated[int, Field(ge=1, le=65535)]
Megabytes = Annotated[int, Field(ge=1, le=2048)]
Seconds = Annotated[float, Field(gt=0, le=86400)]
Title = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[!-\[\]-~]([ !-\[\]-~]*[!-\[\]-~])?$")]
"""Of an application entity: printable ASCII without a backslash (PS3.5, VR AE)."""
Url = Annotated[str, Field(pattern=r"^https?://[^/?#@]+(/[^?#]*)?$")]


_M = TypeVar("_M", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tls(_Strict):
    """Files of TLS, in PEM. With ``authority``, the other side must show a certificate that it has signed."""

    certificate: Path
    key: Path
    authority: Path | None = None


class Peer(_Strict):
    """Who may send: an application entity, from an address or network such as 10.1.0.0/16."""

    title: Title
    address: str

    @field_validator("address")
    @classmethod
    def _is_network(cls, value: str) -> str:
        ipaddress.ip_network(value)
        return value


class DicomReceiver(_Strict):
    """A C-STORE receiver.

    Attributes:
        peers: Who may send; ``any`` for everybody who reaches the port and calls it by its title.
        largest_mb: Larger objects are refused while they arrive.
    """

    port: Port
    peers: list[Peer] | Literal["any"]
    title: Title = "FRUGAL"
    address: str = "127.0.0.1"
    largest_mb: Megabytes = 256
    associations: Annotated[int, Field(ge=1, le=100)] = 10
    tls: Tls | None = None


class FolderReceiver(_Strict):
    """A folder that is looked through again and again. Files are taken once they no longer change.

    Attributes:
        remove: Whether files are removed once they are in the spool.
        largest_mb: Larger files are not taken.
    """

    path: Path
    every: Seconds = 5.0
    remove: bool = False
    largest_mb: Megabytes = 256


class _Server(_Strict):
    """An HTTP server; ``authority`` signs its certificate, if no public one does."""

    url: Url
    user: str | None = None
    password_file: Path | None = None
    authority: Path | None = None


class DicomwebReceiver(_Server):
    """A DICOMweb server that is asked for the CR and DX images of the last days."""

    every: Seconds = 30.0
    days: Annotated[int, Field(ge=1, le=365)] = 2


class OrthancReceiver(_Server):
    """An Orthanc whose changes are followed, from the first start on or from its very first change."""

    every: Seconds = 5.0
    from_beginning: bool = False


class Receiver(_Strict):
    """One way in; exactly one of these."""

    dicom: DicomReceiver | None = None
    folder: FolderReceiver | None = None
    dicomweb: DicomwebReceiver | None = None
    orthanc: OrthancReceiver | None = None

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        return _one_of(self)


class StoreTarget(_Strict):
    """A C-STORE provider. ``tls`` holds our certificate, and the authority that signed the provider's."""

    host: str
    port: Port
    title: Title
    own_title: Title = "FRUGAL"
    tls: Tls | None = None


class StowTarget(_Server):
    """A DICOMweb server that takes results by STOW-RS."""


class FolderTarget(_Strict):
    """A folder that results are written to."""

    path: Path


class Target(_Strict):
    """Where results go; exactly one of these."""

    store: StoreTarget | None = None
    stow: StowTarget | None = None
    folder: FolderTarget | None = None

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        return _one_of(self)


class Images(_Strict):
    """Which images are for us, beside CR and DX for presentation, frontal, of the chest.

    Attributes:
        unknown_view: Whether to score images whose header does not say the view.
        unknown_part: Whether to score images whose header does not say the part of the body.
    """

    unknown_view: bool = False
    unknown_part: bool = False


class Health(_Strict):
    """The health page."""

    port: Port = 8080
    address: str = "127.0.0.1"
    tls: Tls | None = None


class Tracking(_Strict):
    """Daily runs in MLflow; ``uri`` as MLFLOW_TRACKING_URI, which comes before it."""

    uri: str | None = None
    experiment: str = "frugal-serve"


class Settings(_Strict):
    """All settings of a service.

    Attributes:
        weights: As for ``frugal predict``: the output folder of a training, a file, or a bundle.
        options: Settings of the bundle's ``inference.yaml``, such as ``any_view``.
        spool: Folder of the queue.
        results: Kinds of DICOM results.
        receive: Ways in.
        send: The way out.
        images: Which images are for us.
        health: The health page; null for none.
        tracking: Daily runs in MLflow; null for none.
        keep_images: Whether images are kept in ``done`` once they are scored.
        keep_rows_days: How long the table remembers what became of an image.
    """

    weights: str
    spool: Path
    receive: Annotated[list[Receiver], Field(min_length=1)]
    send: Target
    results: Annotated[list[Kind], Field(min_length=1)] = [Kind.REPORT, Kind.CAPTURE]
    options: dict[str, Any] = {}
    images: Images = Images()
    health: Health | None = Health()
    tracking: Tracking | None = Tracking()
    keep_images: bool = False
    keep_rows_days: Annotated[int, Field(ge=1)] = 365

    @field_validator("options")
    @classmethod
    def _are_not_ours(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in ("checkpoint", "dataset_dir", "output_dir", "prepared_dir", "dicom", "dataset"):
            if name in value:
                raise ValueError(f"{name} is set by the service")
        return value


def read_settings(path: Path, health_port: int | None = None) -> Settings:
    """Read a service's settings.

    Args:
        path: The YAML file.
        health_port: Of the health page, in place of the file's; None for that.

    Raises:
        ValueError: They are wrong; one line for each problem, with the key and what is allowed.
    """
    content = read_document(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: not a service's settings; docs/pacs.md has an example.")
    if health_port is not None:
        content["health"] = {**(content.get("health") or {}), "port": health_port}
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        problems = [f"  {_place(each['loc'])}: {each['msg']}" for each in error.errors()]
        raise ValueError("\n".join([f"{path}: these settings are wrong:", *problems])) from error


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "all together"


def _one_of(model: _M) -> _M:
    given = [name for name in type(model).model_fields if getattr(model, name) is not None]
    if len(given) != 1:
        names = ", ".join(type(model).model_fields)
        raise ValueError(f"exactly one of {names} is needed, not {' and '.join(given) or 'none'}")
    return model
