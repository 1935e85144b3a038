"""Tables as people save them: other line ends, spellings of file names, blank rows, and what is wrong with others."""

import gzip
from pathlib import Path

import pytest

from app.datalist.people import person, years_of
from app.datasets.jsrt import jsrt
from app.datasets.nih_tables import read_boxes, read_labels
from app.datasets.rsna import read_rsna
from app.datasets.vindr import vindr
from app.files.table_text import separator_of
from app.files.tables import TableError, find_table, read_table

ENTRY = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position\n"
BOX = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
RSNA = "patientId,x,y,width,height,Target\n"
MAP = "patientId,nih_image,class_info\n"
VINDR = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\n"


def written(folder: Path, text: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"a,b\r\n1,2\r\n3,4\r\n", id="carriage returns"),
        pytest.param(b"\xef\xbb\xbfa,b\n1,2\n3,4", id="byte order mark"),
        pytest.param(b'b,"a"\n2,"1"\n4,3\n', id="other order, quoted"),
        pytest.param(b"a,b,\n1,2,\n\n  \n3,4,\n,,\n", id="blank rows"),
        pytest.param(gzip.compress(b"a,b\n1,2\n3,4\n"), id="gzipped, whatever its name"),
        pytest.param(b"a;b\r\n1;2\r\n3;4\r\n", id="semicolons"),
        pytest.param(b"a\tb\n1\t2\n3\t4\n", id="tabs"),
        pytest.param(b"a|b\n1|2\n3|4\n", id="vertical bars"),
        pytest.param(b"sep=;\r\na;b\r\n1;2\r\n3;4\r\n", id="Excel's note of the separator"),
        pytest.param(b"sep=,\na,b\n1,2\n3,4\n", id="the note of a comma"),
        pytest.param("a\tb\r\n1\t2\r\n3\t4\r\n".encode("utf-16"), id="Excel's Unicode text"),
        pytest.param("a;b\n1;2\n3;4\n".encode("utf-16-le"), id="UTF-16, unmarked"),
        pytest.param("a;b\n1;2\n3;4\n".encode("utf-16-be"), id="UTF-16, big end first, unmarked"),
        pytest.param("a;b;é\n1;2;ü\n3;4;ß\n".encode("cp1252"), id="Windows-1252"),
        pytest.param(b"a;b\r1;2\r3;4\r", id="old Macintosh"),
        pytest.param(b'a;b\n="1";2\n"=""3""";="4"\n', id="numbers that Excel shall take for texts"),
    ],
)
def test_one_table_in_many_forms(tmp_path: Path, content: bytes):
    assert list(read_table(written(tmp_path, content)).select("a", "b")) == [("1", "2"), ("3", "4")]


def test_lines_are_told_as_an_editor_counts_them(tmp_path: Path):
    table = read_table(written(tmp_path, 'a,b\n\n1,"two\nlines"\n,\n3,4\n'))
    assert [table.where(row) for row in range(2)] == [f"{table.path}, line 4", f"{table.path}, line 6"]


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        pytest.param('i;N;r\n1;0,5;"a, b, c, d; e"\n2;1;"f,\n""g"", h"\n', ";", id="commas and lines in reports"),
        pytest.param('i,N,r\n1,1,"a; b; c"\n2,1,"d;e;f"\n', ",", id="semicolons in reports"),
        pytest.param("i\tName, first\tN\n1\tx\t0,5\n2\ty\t1\n", "\t", id="a comma in a name"),
        pytest.param("i,a;b,N\n1,2;3,0\n4,5;6,1\n", ",", id="two that fit: most columns"),
        pytest.param("Name, first;i;N\nDoe, J;1;0;\nRoe, M;2;1;\n", ";", id="a mark more at the end of each row"),
        pytest.param('"i;j","N"\n"1","0"\n', ",", id="a mark in a quoted name"),
        pytest.param("i|N|Finding, or not\n1|1|x\n", "|", id="vertical bars"),
        pytest.param("image\n1;2\n", ",", id="one column"),
        pytest.param("", ",", id="nothing"),
    ],
)
def test_the_separator_is_the_one_that_divides_the_names(text: str, separator: str):
    assert separator_of(text) == separator


def test_a_table_in_windows_1252_says_so(tmp_path: Path):
    table = read_table(written(tmp_path, "Bild;Größe\nMüller-€.png;1\n".encode("cp1252")))
    assert (table.columns, table.rows[0][0], table.encoding) == (("Bild", "Größe"), "Müller-€.png", "Windows-1252")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("b;c\n1;2\n", r"no column 'a'\. Columns found: 'b', 'c'\.", id="another column"),
        pytest.param(
            "a;b\n1;2;3\n", r"line 2: 3 cells, but the header names 2 columns\. .* ';' itself", id="a cell more"
        ),
        pytest.param("a;b\n1;2\n3\n", r"line 3: 1 cell, but the header names 2 columns\.", id="a cell less"),
        pytest.param("sep=;\na;b\n1;2\n3\n", r"line 4: 1 cell", id="below the note"),
        pytest.param(b"PK\x03\x04\x14\0", r"is a workbook, not a CSV table\. Save the sheet as 'CSV UTF-8'", id="xlsx"),
        pytest.param("a,a\n1,2\n", r"two columns are named 'a'", id="a column twice"),
        pytest.param('a,b\n1,"2\n3,4\n', r"not a readable CSV table \(unexpected end", id="open quotation mark"),
        pytest.param(b"a\n\x8d\n", r"no text in UTF-8\. Save it as UTF-8", id="another encoding"),
        pytest.param(b"a\n1\x07\n", r"no text in UTF-8\. Save it as UTF-8", id="no text"),
        pytest.param("a\n1\n".encode("utf-16")[:-1], r"no text in UTF-8", id="UTF-16, cut"),
        pytest.param(" \n,\n", r"the table is empty", id="blanks alone"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, content: str | bytes, message: str):
    with pytest.raises(TableError, match=rf"table\.csv(:.*|, ){message}"):
        read_table(written(tmp_path, content), ["a"])


def test_names_in_capitals_are_found_and_listed(tmp_path: Path):
    path = written(tmp_path, "x", "DATA.CSV.GZ")
    assert find_table(tmp_path, "data.csv") == path
    with pytest.raises(TableError, match=r"holds no other\.csv\[\.gz\]\. Tables found: DATA\.CSV\.GZ\."):
        find_table(tmp_path, "other.csv")
    row = "JPCLN001.IMG\t5\t15\t53\tMale\t1634\t692\tmalignant\n"
    written(tmp_path, row, "clndat_en.txt"), written(tmp_path, "", "CNNDAT_en.TXT")
    assert len(jsrt(tmp_path).sections["training"]) == 1


def test_ages_in_each_of_dicoms_units():
    # Years by hand: 30 months are 2.5 years, 60 weeks 1.2, 800 days 2.2.
    ages = {"058Y": 58, "030M": 2, "060W": 1, "800D": 2, "414": None, "414Y": None, "7": 7, "95": 90}
    assert {age: years_of(age, "age", "here") for age in ages} == ages
    assert person("f", "006M", "here") == {"sex": "F", "age": 0}
    with pytest.raises(TableError, match=r"here: 'age' must be a number, not 'Y'"):
        years_of("Y", "age", "here")


def test_one_patient_with_and_without_leading_noughts(tmp_path: Path):
    rows = "1_0.png,Mass,0,0007,001D,M,PA\n1_1.png,Mass,1,7,58,M,PA\n"
    entries, _ = read_labels(written(tmp_path, ENTRY + rows))
    assert [(entry.patient, entry.study) for entry in entries] == [("7", "7-0"), ("7", "7-1")]


def test_a_row_twice_is_refused(tmp_path: Path):
    row = "1.png,Mass,1,2,3,4,,,\n"
    with pytest.raises(TableError, match=r"line 3: the box of 'Mass' on image '1\.png' is named twice"):
        read_boxes(written(tmp_path, BOX + 2 * row), {"1.png"})
    written(tmp_path, MAP + "a,1_0.png,Lung Opacity\n", "rsna_to_nih.csv")
    written(tmp_path, RSNA + 2 * "a,1,2,3,4,1\n", "stage_2_train_labels.csv")
    with pytest.raises(TableError, match=r"line 3: the box 1,2,3,4 on image 'a' is named twice"):
        read_rsna(tmp_path)


def test_an_image_of_another_data_set_in_the_map_is_refused(tmp_path: Path):
    written(tmp_path, MAP + "a,xyz.png,Lung Opacity\n", "rsna_to_nih.csv")
    written(tmp_path, RSNA + "a,1,2,3,4,1\n", "stage_2_train_labels.csv")
    with pytest.raises(TableError, match=r"line 2: 'nih_image' must be such as '00000013_026\.png', not 'xyz\.png'"):
        read_rsna(tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,Nodule/Mass,8,R1,1,1,5,5\n" * 2, "line 3: 'Nodule/Mass' on image 'a' is named twice"),
        ("a,Nodule/Mass,8,,1,1,5,5\n", "line 2: 'Nodule/Mass' on image 'a' has no reader"),
        ("a,Nodule/Mass,8,R1,1,1,5,5\na,No finding,14,R1,,,,\n", "line 3: reader 'R1' of image 'a' says 'No finding'"),
    ],
)
def test_readers_of_vindr_contradict_neither_themselves_nor_the_form(tmp_path: Path, rows: str, message: str):
    written(tmp_path, VINDR + rows, "train.csv")
    with pytest.raises(TableError, match=message):
        vindr(tmp_path)
