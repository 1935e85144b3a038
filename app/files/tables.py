"""Read the CSV tables that data sets come with, plain or gzipped, and say clearly what is wrong with one."""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from app.files.table_text import TableError, separator_of, split_note, table_text

__all__ = [
    "SIGNATURES",
    "Table",
    "TableError",
    "find_table",
    "looks_like",
    "number",
    "one_of",
    "optional_table",
    "optional_tables",
    "read_table",
    "require_columns",
]

# Columns that tell known tables apart; if one table has all columns of another, it comes first.
SIGNATURES: tuple[tuple[str, frozenset[str]], ...] = (
    ("the expert labels of ChestX-ray14 (GCS4L)", frozenset({"Image Index", "Airspace opacity", "Set Id"})),
    ("the expert labels of all findings of ChestX-ray14 (GCS16L)", frozenset({"Image ID", "Abnormal", "Other"})),
    ("the chest drains of NEATX on ChestX-ray14", frozenset({"Image Index", "Drain", "Drain_a1"})),
    ("the label table of ChestX-ray14 (Data_Entry_2017)", frozenset({"Image Index", "Finding Labels", "Patient ID"})),
    ("the box table of ChestX-ray14 (BBox_List_2017)", frozenset({"Image Index", "Finding Label", "Bbox [x"})),
    ("the label table of RSNA (stage_2_train_labels)", frozenset({"patientId", "Target", "width", "height"})),
    ("the map from RSNA to ChestX-ray14 (rsna_to_nih)", frozenset({"patientId", "nih_image"})),
    ("the metadata of MIMIC-CXR-JPG", frozenset({"dicom_id", "subject_id", "ViewPosition"})),
    ("the split of MIMIC-CXR-JPG", frozenset({"dicom_id", "subject_id", "split"})),
    ("the labels of MIMIC-CXR-JPG", frozenset({"subject_id", "study_id", "Support Devices"})),
    ("the table of BRAX", frozenset({"PngPath", "AccessionNumber", "Support Devices"})),
    ("a label table of BIMCV-COVID19", frozenset({"PatientID", "ReportID", "Labels", "Localizations"})),
    ("the reports of CANDID-PTX", frozenset({"SOPInstanceUID", "EncodedPixels", "filename"})),
    ("an outline table of CANDID-PTX", frozenset({"anon_SOPUID", "mask_rle"})),
    ("a table of CheXmask", frozenset({"Dice RCA (Mean)", "Left Lung", "Height", "Width"})),
    ("a box table of VinDr-PCXR", frozenset({"image_id", "rad_ID", "class_name", "x_min"})),
    ("a label table of VinDr-PCXR", frozenset({"image_id", "Bronchitis", "Situs inversus"})),
    ("the reports of Indiana University", frozenset({"uid", "MeSH", "Problems"})),
    ("the projections of Indiana University", frozenset({"uid", "filename", "projection"})),
    ("a table of Object-CXR", frozenset({"image_name", "annotation"})),
    ("the table of CheXpert", frozenset({"Path", "Frontal/Lateral", "Support Devices"})),
    ("the box table of VinDr-CXR", frozenset({"image_id", "class_name", "rad_id", "x_min"})),
    ("the mask table of SIIM-ACR pneumothorax", frozenset({"ImageId", "EncodedPixels"})),
    ("the raw annotations of NEATX", frozenset({"ImageID", "NSG_tube_a1", "NSG_tube_a2"})),
    ("the combined annotations of NEATX", frozenset({"ImageID", "NSG_tube", "Chest_drain"})),
    ("the table of PadChest", frozenset({"ImageID", "StudyID", "PatientID", "Projection", "Labels"})),
)

_AS_TEXT = re.compile(r'^\s*="(.*)"\s*$', re.DOTALL)
"""How programs keep Excel from reading a cell as a number: ="00471"."""


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV table in memory, every cell as text.

    Attributes:
        path: The file, for messages.
        columns: Names without surrounding blanks; nameless columns at the end are dropped.
        rows: Cells. Each row has at least one for each column, and is not blank.
        lines: Line of the file on which each row ends; None if each row is one line and none is blank.
        separator: The character between cells.
        encoding: UTF-8, UTF-16 or Windows-1252.
    """

    path: Path
    columns: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int] | None = None
    separator: str = ","
    encoding: str = "UTF-8"

    def select(self, *names: str) -> Iterator[tuple[str, ...]]:
        """Yield the cells of the named columns, row by row, as tuples.

        Raises:
            TableError: A column is missing.
        """
        require_columns(self.path, self.columns, names)
        indices = [self.columns.index(name) for name in names]
        if len(indices) == 1:
            return ((row[indices[0]],) for row in self.rows)
        return map(itemgetter(*indices), self.rows)

    def where(self, row: int) -> str:
        """``file, line n`` of a row (0 is the first below the header): the beginning of a message about it."""
        return f"{self.path}, line {self.line(row)}"

    def line(self, row: int) -> int:
        """The line of the file on which a row ends."""
        return self.lines[row] if self.lines else row + 2


def read_table(path: Path, required: Sequence[str] = ()) -> Table:
    r"""Read a CSV file, gzipped or not (the content decides, not the name).

    Args:
        path: The file. Separators (comma, semicolon, tab, vertical bar) and encodings (UTF-8, UTF-16, or else
            Windows-1252) are recognised, and so are Excel's first line ``sep=;`` and its texts ``="00471"``.
        required: Names of columns that must be there; blanks around names in the header do not matter.

    Blank rows are skipped.

    Raises:
        TableError: The file is missing, empty or not text; a column is missing or there twice (names the columns,
            and the known table that has them); a quotation mark is not closed; or a row has fewer or more
            cells than the header.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "labels.csv"
        >>> _ = path.write_text("image,Nodule\n1.png,1\n2.png,0\n")
        >>> list(read_table(path).select("Nodule", "image"))
        [('1', '1.png'), ('0', '2.png')]
    """
    whole, encoding = table_text(path)
    text, noted = split_note(whole)
    separator = noted or separator_of(text)
    try:
        # Strict: otherwise a quotation mark that is not closed would swallow all following rows.
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        filled = [row for row in reader if any(map(str.strip, row))]
        if '="' in text:
            filled = [[_AS_TEXT.sub(r"\1", cell) for cell in row] for row in filled]
        first = 1 if noted else 0
        lines = _lines(text, separator, first) if noted or len(filled) < reader.line_num else None
    except csv.Error as error:
        raise TableError(f"{path}: not a readable CSV table ({error}).") from error
    if not filled:
        raise TableError(f"{path}: the table is empty.")
    columns = [unicodedata.normalize("NFC", name.strip()) for name in filled[0]]
    while columns and not columns[-1]:
        columns.pop()
    require_columns(path, columns, required)
    table = Table(path, tuple(columns), filled[1:], lines[1:] if lines else None, separator, encoding)
    _require_full_rows(table)
    return table


def find_table(folder: Path, *names: str) -> Path:
    """The first of the named tables that is in a folder, as ``NAME`` or ``NAME.gz``, in upper or lower case.

    Raises:
        TableError: None of them is there; names the tables that are.
    """
    path = optional_table(folder, *names)
    if path is not None:
        return path
    if not folder.is_dir():
        raise TableError(f"{folder}: no such folder of tables.")
    files = sorted(file.name for file in folder.iterdir())
    tables = [name for name in files if name.lower().endswith((".csv", ".csv.gz")) and not name.startswith(".")]
    wanted = " or ".join(f"{name}[.gz]" for name in names)
    raise TableError(f"{folder}: holds no {wanted}. Tables found: {', '.join(tables) or 'none'}.")


def optional_table(folder: Path, *names: str) -> Path | None:
    """As `find_table`, but None if there is none."""
    return next(iter(optional_tables(folder, *names)), None)


def optional_tables(folder: Path, *names: str) -> list[Path]:
    """All of the named tables that are in a folder, in the order of the names; see `find_table`."""
    files = {path.name.casefold(): path for path in sorted(folder.iterdir())} if folder.is_dir() else {}
    wanted = (f"{name}{end}".casefold() for name in names for end in ("", ".gz"))
    return [files[name] for name in wanted if name in files and files[name].is_file()]


def looks_like(columns: Iterable[str]) -> str | None:
    """The known table that has these columns, in words; None if there is none."""
    present = frozenset(columns)
    return next((name for name, signature in SIGNATURES if signature <= present), None)


def require_columns(path: Path, columns: Sequence[str], required: Iterable[str]) -> None:
    """Raise `TableError` if required columns are missing or there twice; names them and all columns."""
    wanted = list(required)
    repeated = [name for name in wanted if columns.count(name) > 1]
    if repeated:
        raise TableError(f"{path}: two columns are named {repeated[0]!r}; it is unclear which is meant.")
    missing = [name for name in wanted if name not in columns]
    if not missing:
        return
    other = looks_like(columns)
    hint = f" It looks like {other}." if other else ""
    raise TableError(
        f"{path}: no column {', '.join(map(repr, missing))}. Columns found: {', '.join(map(repr, columns))}.{hint}"
    )


def number(cell: str, column: str, where: str) -> float:
    """The finite number in a cell.

    Args:
        cell: The text.
        column: Name of the column, for the message.
        where: File and line, as `Table.where` returns them.

    Raises:
        TableError: The cell is empty, no number, or not finite.

    Example:
        >>> number(" 2.5 ", "width", "boxes.csv, line 2")
        2.5
    """
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise TableError(f"{where}: {column!r} must be a number, not {cell!r}.")
    return value


def one_of(cell: str, allowed: Sequence[str], column: str, where: str) -> str:
    """The cell itself if it is one of the allowed texts; raises `TableError` if not."""
    if cell not in allowed:
        raise TableError(f"{where}: {column!r} must be one of {', '.join(map(repr, allowed))}, not {cell!r}.")
    return cell


def _lines(text: str, separator: str, before: int) -> list[int]:
    """Line of the file on which each row that is not blank ends, if some lines stand before the text."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    return [before + reader.line_num for row in reader if any(map(str.strip, row))]


def _require_full_rows(table: Table) -> None:
    width = len(table.columns)
    if {len(row) for row in table.rows} <= {width}:
        return
    hint = f" A cell that holds {table.separator!r} itself stands in quotation marks."
    for index, row in enumerate(table.rows):
        if len(row) < width or any(cell.strip() for cell in row[width:]):
            cells, columns = (f"{n} {noun}{'s' * (n != 1)}" for n, noun in ((len(row), "cell"), (width, "column")))
            raise TableError(f"{table.where(index)}: {cells}, but the header names {columns}.{hint}")
