"""Tables as hospitals export them: words and signs as labels, reports, names of columns, encodings, pseudonyms."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.cli import main
from app.datalist.file import read_datalist
from app.datalist.item import Box, Datalist
from app.datasets.folder_labels import LabelReader
from app.findings import ABSENT, NOT_SAID, PRESENT, UNCERTAIN


def labels(*cells: str, **given: int) -> list[float]:
    column = LabelReader(given=given).column(cells)
    assert not column.unknown
    return column.labels


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("Yes", "NO", " y ", "n", "TRUE", "False"), [1, 0, 1, 0, 1, 0]),
        (("Ja", "Nein", "J", "N", "wahr", "FALSCH", "Unklar"), [1, 0, 1, 0, 1, 0, -1]),
        (("oui", "non", "VRAI", "faux", "présent", "absent", "incertain"), [1, 0, 1, 0, 1, 0, -1]),
        (("si\u0301", "no", "sì", "não", "tak", "nie"), [1, 0, 1, 0, 1, 0]),
        (("+", "-", "\u2013", "\u2212", "?", "+/-", "±"), [1, 0, 0, 0, -1, -1, -1]),
        (("pos", "neg", "Positiv", "negativ", "present", "absent", "nicht  vorhanden"), [1, 0, 1, 0, 1, 0, 0]),
        (("1", "0", "-1", "1.0", "0,25", ".5", "1,0"), [1, 0, -1, 1, 0.25, 0.5, 1]),
        (("", "NA", "nan", "n/a", "NULL"), [-2] * 5),
    ],
)
def test_words_in_several_languages(cells: tuple[str, ...], expected: list[float]):
    assert labels(*cells) == expected


def test_words_of_ones_own_come_first():
    given = {"evtl.": UNCERTAIN, "2": PRESENT, "1": ABSENT, "-": NOT_SAID, "0,5": UNCERTAIN}
    cells = ("EVTL.", "2", "2.0", "1", "+", "-", "0.50", "0")
    assert labels(*cells, **given) == [-1, 1, 1, 0, 1, -2, -1, 0]


def test_what_is_no_label_is_told_by_its_rows():
    column = LabelReader().column(["maybe", "1", " maybe", "-", "3", "1e0", "inf", "none"])
    assert column.unknown == {"maybe": [0, 2], "-": [3], "3": [4], "1e0": [5], "inf": [6], "none": [7]}
    assert not column.is_free_text


@pytest.mark.parametrize(
    ("cells", "is_free_text"),
    [
        (["no focal lesion", "small opacity on the left", "", "1"], True),
        (["no focal lesion", "1", "0"], False),  # most cells are labels: that one is a mistake
        (["maybe", "likely"], False),
        (["", "1"], False),
        ([], False),
    ],
)
def test_sentences_are_free_text(cells: list[str], is_free_text: bool):
    assert LabelReader().column(cells).is_free_text is is_free_text


def run(folder: Path, *words: str) -> Datalist:
    assert main(["datalist", "folder", "--out", str(folder / "list.json"), *words]) == 0
    return read_datalist(folder / "list.json")


GERMAN = (
    "Dateiname;Patienten-ID;Geschlecht;Alter;Strahlengang;Erguss;Rundherd;Pneumonie;Pneumonia;Befund\r\n"
    '1.png;p;w;"61,5";p.a.;ja;nein;x;"Kein Infiltrat; keine ""Stauung"",\r\nHerz normal groß";frei\r\n'
    "2.png;q;M;104;seitlich;unklar;ja;y;Kein Nachweis einer Pneumonie;frei\r\n"
    "3.png;r;;;AP;0,25;;z;;\r\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_german_export(tmp_path: Path, encoding: str, capsys: pytest.CaptureFixture):
    (tmp_path / "Thorax.csv").write_bytes(GERMAN.encode(encoding))
    mapping = ["--map", "erguss=Effusion", "--map", "Rundherd=Nodule", "--split", "1,0,0"]
    datalist = run(tmp_path, "--tables", str(tmp_path), *mapping)
    assert datalist.findings == ("Effusion", "Nodule")
    assert [(i.image, i.patient, i.view, i.label, i.attributes) for i in datalist.items()] == [
        ("1.png", "p", "PA", (1, 0), {"sex": "F", "age": 61}),
        ("2.png", "q", "LATERAL", (-1, 1), {"sex": "M", "age": 90}),
        ("3.png", "r", "AP", (0.25, -2), {}),
    ]
    told = capsys.readouterr().out
    read = "image from 'Dateiname'; patient from 'Patienten-ID'; view from 'Strahlengang'; sex from 'Geschlecht'"
    assert f"columns read: {read}; age from 'Alter'; Effusion from 'Erguss'; Nodule from 'Rundherd'\n" in told
    assert "columns left out as free text: Pneumonia\n" in told
    assert "columns not used: Pneumonie; Befund\n" in told
    assert ("encoding of the table: Windows-1252" in told) == (encoding == "cp1252")


FRENCH = (
    "Nom du fichier\tN° patient\tÂge\tSexe\tIncidence\tNodule\tÉpanchement pleural\tCompte rendu\r\n"
    '1.png\ta\t61,5\tH\tface\toui\t0,8\t"Pas d\'épanchement;\tRAS"\r\n'
    "2.png\tb\t3\tF\tprofil\tnon\tincertain\tRAS\r\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_a_french_export_with_tabs(tmp_path: Path, encoding: str):
    (tmp_path / "t.csv").write_bytes(FRENCH.encode(encoding))
    words = ["--map", "épanchement pleural=Effusion", "--split", "1,0,0"]
    assert [
        (i.image, i.view, i.label, i.attributes) for i in run(tmp_path, "--tables", str(tmp_path), *words).items()
    ] == [
        ("1.png", "face", (1, 0.8), {"sex": "M", "age": 61}),
        ("2.png", "LATERAL", (0, -1), {"sex": "F", "age": 3}),
    ]


def test_columns_of_labels_without_a_findings_name_are_told(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "t.csv").write_text("image,patient,Nodule,Crackle,Wert\n1.png,p,1,yes,7\n2.png,q,0,no,1\n")
    run(tmp_path, "--csv", str(tmp_path / "t.csv"))
    told = capsys.readouterr().out
    assert "columns of labels without a finding's name (--labels or --map takes them): Crackle\n" in told
    assert "columns not used: Wert\n" in told


def test_words_are_given_by_options(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "t.tsv").write_text("image\tpatient\tNodule\n1\tp\t2\n2\tq\tevtl.\n3\tr\tk.A.\n4\ts\tx\n")
    words = ["--tables", str(tmp_path), "--split", "1,0,0", "--present", "2,x", "--uncertain", "evtl."]
    assert [item.label for item in run(tmp_path, *words, "--not-said", "k.a.").items()] == [(1,), (-1,), (-2,), (1,)]
    out = ["--out", str(tmp_path / "o.json")]
    assert main(["datalist", "folder", *out, *words]) == 1
    assert "no label: 'k.A.' in 1 row of column 'Nodule' (first in line 4)" in capsys.readouterr().err
    assert main(["datalist", "folder", *out, *words, "--absent", "X"]) == 1
    assert "--absent X: the word has another meaning as well" in capsys.readouterr().err


def test_rows_that_repeat_and_people_that_cannot_be_read_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture):
    rows = "1.png,p,1,7,1\n1.png,p,1,7,1\n2.png,q,F,old,0\n3.png,r,2,414,0\n"
    (tmp_path / "t.csv").write_text(f"image,patient,sex,age,Nodule\n{rows}")
    datalist = run(tmp_path, "--tables", str(tmp_path), "--split", "1,0,0")
    assert [item.attributes for item in datalist.items()] == [{"age": 7}, {"sex": "F"}, {}]
    # The sex of the first patient is counted with each of its rows.
    assert datalist.provenance["counts"] == {
        "rows of the table": 4,
        "sexes left out as neither F nor M": 3,
        "ages left out as no age": 1,
        "ages left out as implausible": 1,
        "left out: rows that repeat another": 1,
    }
    assert "left out: rows that repeat another: 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "codes", "sexes"),
    [
        ("sexe", "HFH", "MFM"),  # homme and femme
        ("sexo", "HMM", "MFF"),  # hombre and mujer
        ("sex", "MFM", "MFM"),
        ("sex", "wmw", "FMF"),
        ("Geslacht", "VMV", "FMF"),  # vrouw and man
        ("sexo", "VMV", "---"),  # varón and mujer, or somebody's vrouw and man
        ("płeć", "KMK", "FMF"),  # kobieta and mężczyzna
        ("性別", "女男女", "FMF"),
    ],
)
def test_sexes_in_other_languages(tmp_path: Path, name: str, codes: str, sexes: str):
    rows = "".join(f"{number}.png,p,{code},1\n" for number, code in enumerate(codes))
    (tmp_path / "t.csv").write_text(f"image,patient,{name},Nodule\n{rows}", encoding="utf-8")
    items = run(tmp_path, "--tables", str(tmp_path), "--split", "1,0,0").items()
    assert [item.attributes.get("sex", "-") for item in items] == list(sexes)


@pytest.mark.parametrize(
    "columns",
    [
        "Bestandsnaam;Patiëntnummer;Onderzoeksnummer;Geslacht;Leeftijd",
        "Nazwa pliku;ID pacjenta;Numer badania;Płeć;Wiek",
        "Arquivo;ID do paciente;Exame;Sexo;Idade",
        "ファイル名;患者ID;検査番号;性別;年齢",
    ],
)
def test_names_of_columns_in_other_languages(tmp_path: Path, columns: str):
    (tmp_path / "t.csv").write_text(f"{columns};Nodule\n1.png;p;s;F;61,5;1\n", encoding="utf-8")
    (item,) = run(tmp_path, "--csv", str(tmp_path / "t.csv"), "--split", "1,0,0", "--keep-names").items()
    facts = (item.image, item.patient, item.study, item.attributes)
    assert facts == ("1.png", "p", "s", {"sex": "F", "age": 61})


@pytest.mark.parametrize("root", ["C:\\export\\", "/home/radiology/"])
def test_paths_of_another_machine_are_matched_by_their_ends(tmp_path: Path, root: str):
    picture(tmp_path / "images/a/1.png"), picture(tmp_path / "images/b/1.png")
    (tmp_path / "t.csv").write_text(f"path,patient,Nodule\n{root}a/1.png,p,1\n{root}b/1.png,q,0\n")
    words = ["--tables", str(tmp_path), "--images", str(tmp_path / "images"), "--split", "1,0,0"]
    items = run(tmp_path, *words).items()
    assert [(item.image, item.patient) for item in items] == [("images/a/1.png", "p"), ("images/b/1.png", "q")]


def test_a_column_of_other_names_is_told_with_the_option(tmp_path: Path, capsys: pytest.CaptureFixture):
    picture(tmp_path / "images/1.png")
    (tmp_path / "t.csv").write_text("file,picture,patient,Nodule\na.txt,1.png,p,1\n")
    words = ["--tables", str(tmp_path), "--images", str(tmp_path / "images"), "--out", str(tmp_path / "o.json")]
    assert main(["datalist", "folder", *words]) == 1
    assert "is one of the 1 of t, such as 'a.txt'. --image-column names the column of" in capsys.readouterr().err
    assert main(["datalist", "folder", *words, "--image-column", "Picture"]) == 0


def test_two_names_of_one_file_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture):
    picture(tmp_path / "images/1.png")
    (tmp_path / "t.csv").write_text("image,patient,Nodule\n1.png,p,1\n1.dcm,p,1\n")
    words = ["--tables", str(tmp_path), "--images", str(tmp_path / "images")]
    assert main(["datalist", "folder", "--out", str(tmp_path / "o.json"), *words]) == 1
    assert f"t: '1.png' and '1.dcm' are one file, {tmp_path}/images/1.png." in capsys.readouterr().err


def test_a_workbook_in_the_folder_of_tables_is_told(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "labels.xlsx").write_bytes(b"PK\x03\x04")
    assert main(["datalist", "folder", "--tables", str(tmp_path), "--out", str(tmp_path / "o.json")]) == 1
    assert "found: none. labels.xlsx is a workbook: save its sheet as 'CSV UTF-8'" in capsys.readouterr().err


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((20, 30), np.uint8))
    return path


def test_a_folder_without_a_table(tmp_path: Path, capsys: pytest.CaptureFixture):
    picture(tmp_path / "images/a/1.png"), picture(tmp_path / "images/2.png")
    common = ["--images", str(tmp_path / "images"), "--split", "0,0,1"]
    datalist = run(tmp_path, *common, "--labels", "effusion,Crackle", "--each-image-a-patient")
    assert datalist.findings == ("Effusion", "Crackle")
    assert [(i.image, i.patient, i.label) for i in datalist.sections["test"]] == [
        ("images/2.png", "2.png", (-2, -2)),
        ("images/a/1.png", "a/1.png", (-2, -2)),
    ]
    out = ["datalist", "folder", "--out", str(tmp_path / "o.json")]
    assert main([*out, *common]) == 1
    assert "nothing says what is looked for in the images: name the findings with --labels" in capsys.readouterr().err
    assert main([*out, *common, "--labels", "effusion"]) == 1
    assert "the patients of 2 of 2 images are known neither from a column (name it with" in capsys.readouterr().err
    assert main(out) == 1
    assert "neither a table (--tables DIR or --csv FILE) nor a folder of images" in capsys.readouterr().err


RECORDS = "image;patient;study;Nodule\nMRN1234567/1.png;1234567;A21-004711;1\nMRN7654321/1.png;7654321;A21-004712;0\n"


def hospital(folder: Path, text: str = RECORDS) -> list[str]:
    """Files named by record numbers; the options that read them."""
    (folder / "labels.csv").write_text(text)
    for number in ("1234567", "7654321"):
        picture(folder / f"images/MRN{number}/1.png")
        picture(folder / f"masks/{number}/1_nodule.png")
    return ["--tables", str(folder), "--images", str(folder / "images"), "--split", "1,0,0"]


def test_record_numbers_are_replaced_without_being_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    words = hospital(tmp_path)
    first = run(tmp_path, *words)
    text = (tmp_path / "list.json").read_text() + (told := capsys.readouterr().out)
    assert not any(number in text for number in ("1234567", "7654321", "00471"))
    assert "pseudonyms instead of names: patients; studies; images\n" in told
    assert f"Pseudonyms were made with the key in {tmp_path}/settings/frugal/pseudonyms.key: keep it, and" in told
    assert len(first.provenance["fingerprint of the pseudonyms' key"]) == 8
    # Each name leads to its file, by a link.
    leads_to = {item.label[0]: (tmp_path / item.image).resolve() for item in first.items()}
    assert leads_to == {1: tmp_path / "images/MRN1234567/1.png", 0: tmp_path / "images/MRN7654321/1.png"}
    # The key is the owner's, the same call gives the same datalist, and another key other names.
    key = tmp_path / "settings/frugal/pseudonyms.key"
    assert (key.stat().st_mode & 0o777, (tmp_path / "list_links").stat().st_mode & 0o777) == (0o600, 0o700)
    assert run(tmp_path, *words) == first
    other = run(tmp_path, *words, "--pseudonymise", str(tmp_path / "other.key"))
    assert not {i.patient for i in other.items()} & {i.patient for i in first.items()}


def test_columns_of_record_numbers_are_replaced_however_short_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    (tmp_path / "labels.csv").write_text("image,MRN,Accession,Nodule\n1.png,17,A1,1\n2.png,18,A2,0\n")
    items = run(tmp_path, "--tables", str(tmp_path)).items()
    assert sorted(item.image for item in items) == ["1.png", "2.png"]
    assert all(item.patient[0] == "p" and item.study[0] == "s" and len(item.patient) == 17 for item in items)


@pytest.mark.parametrize(
    ("name", "patients", "folders"),
    [("MRN", ("4711", "4712"), ("4711", "4712")), ("patient", ("Jane Doe", "Ann Roe"), ("doe_jane", "roe_ann"))],
)
def test_paths_that_name_patients_who_are_replaced_are_replaced(
    tmp_path: Path, name: str, patients: tuple[str, str], folders: tuple[str, str]
):
    rows = "".join(f"{folder}/1.png,{patient},1\n" for folder, patient in zip(folders, patients, strict=True))
    for folder in folders:
        picture(tmp_path / f"images/{folder}/1.png")
    (tmp_path / "labels.csv").write_text(f"image,{name},Nodule\n{rows}")
    items = run(tmp_path, "--tables", str(tmp_path), "--images", str(tmp_path / "images"), "--split", "1,0,0").items()
    assert [item.image.startswith("list_links/images/i") for item in items] == [True, True]
    assert not any(name in (tmp_path / "list.json").read_text() for name in (*patients, *folders))


def test_names_of_annotation_files_of_patients_are_not_kept(tmp_path: Path, capsys: pytest.CaptureFixture):
    words = hospital(tmp_path)
    for number in (1234567, 7654321):
        entry = {"id": 1, "file_name": f"MRN{number}/1.png", "height": 20, "width": 30}
        box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
        coco = {"images": [entry], "annotations": [box], "categories": [{"id": 1, "name": "Nodule"}]}
        (tmp_path / "boxes").mkdir(exist_ok=True)
        (tmp_path / f"boxes/{number}.json").write_text(json.dumps(coco))
    counts = run(tmp_path, *words, "--annotations", str(tmp_path / "boxes")).provenance["counts"]
    assert counts["boxes (COCO): annotated images"] == 2
    only = run(tmp_path, *words, "--annotations", str(tmp_path / "boxes/1234567.json")).provenance["counts"]
    assert only["COCO: annotated images"] == 1
    assert "1234567" not in (tmp_path / "list.json").read_text() + capsys.readouterr().out


def test_names_are_kept_if_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    words = hospital(tmp_path)
    items = run(tmp_path, *words, "--keep-names").items()
    assert {(item.image, item.patient, item.study) for item in items} == {
        ("images/MRN1234567/1.png", "1234567", "A21-004711"),
        ("images/MRN7654321/1.png", "7654321", "A21-004712"),
    }
    assert not (tmp_path / "settings").exists()
    both = ["datalist", "folder", "--out", str(tmp_path / "o.json"), *words, "--keep-names", "--pseudonymise", "key"]
    assert main(both) == 1
    assert "--keep-names and --pseudonymise contradict each other" in capsys.readouterr().err


def test_masks_are_linked_too_and_links_are_not_listed(tmp_path: Path):
    hospital(tmp_path)
    # The folder of images holds the tables, the masks and, from the second call on, the links.
    (tmp_path / "masks").rename(tmp_path / "drawn")
    words = ["--csv", str(tmp_path / "labels.csv"), "--images", str(tmp_path / "images"), "--split", "1,0,0"]
    mask = np.zeros((20, 30), np.uint8)
    mask[3:6, 4:9] = 255
    for number in ("1234567", "7654321"):
        (tmp_path / f"drawn/{number}/1_nodule.png").unlink()
        cv2.imwrite(str(tmp_path / f"images/MRN{number}/{number}.png"), mask)
    text = RECORDS.replace("/1.png", "/x.png")
    for number in ("1234567", "7654321"):
        (tmp_path / f"images/MRN{number}/1.png").rename(tmp_path / f"images/MRN{number}/x{number}.png")
        text = text.replace(f"MRN{number}/x.png", f"MRN{number}/x{number}.png")
        (tmp_path / f"images/MRN{number}/{number}.png").rename(tmp_path / f"drawn/x{number}.png")
    (tmp_path / "labels.csv").write_text(text)
    key = ["--pseudonymise", str(tmp_path / "key"), "--masks", "drawn/{stem}.png"]
    made = [run(tmp_path, *words, *key) for _ in range(2)]
    assert made[0] == made[1]
    for item in made[0].items():
        number = "1234567" if item.label[0] else "7654321"
        assert (tmp_path / str(item.mask["Nodule"])).resolve() == tmp_path / f"drawn/x{number}.png"
    everywhere = run(tmp_path, *words[:2], "--images", str(tmp_path), *words[4:], *key)
    assert len(everywhere.items()) == 2
    assert everywhere.provenance["counts"]["left out of the folder: folders of links with pseudonyms"] == 1


def test_names_of_images_that_are_not_there_are_replaced(tmp_path: Path):
    hospital(tmp_path)
    items = run(tmp_path, "--tables", str(tmp_path), "--pseudonymise", str(tmp_path / "key")).items()
    assert all(item.image[0] == "i" and item.image.endswith(".png") and len(item.image) == 21 for item in items)
    assert not (tmp_path / "list_links").exists()


def test_what_prevents_links_is_told(tmp_path: Path, capsys: pytest.CaptureFixture):
    words = [*hospital(tmp_path), "--pseudonymise", str(tmp_path / "key")]
    command = ["datalist", "folder", "--out", str(tmp_path / "list.json"), *words]
    note = tmp_path / "list_links/images/note.txt"
    note.parent.mkdir(parents=True)
    note.write_text("mine")
    assert main(command) == 1
    assert "note.txt: is in the folder of links that would be made. Choose another --out." in capsys.readouterr().err
    assert note.read_text() == "mine"
    note.unlink()
    (tmp_path / "key").chmod(0o644)
    assert main(command) == 1
    assert f"others can read this key, and so find out who is who: chmod 600 {tmp_path}/key" in capsys.readouterr().err
    (tmp_path / "key").write_text("secret")
    assert main(command) == 1
    assert "key: holds no key of pseudonyms" in capsys.readouterr().err
    assert main([*command[:-1], str(tmp_path / "labels.csv" / "key")]) == 1
    assert "the key of pseudonyms can neither be read nor made (File exists). Name" in capsys.readouterr().err


def test_a_datalist_of_links_is_not_made_of_links_again(tmp_path: Path, capsys: pytest.CaptureFixture):
    words = [*hospital(tmp_path), "--pseudonymise", str(tmp_path / "key")]
    made = {Path(item.image).name for item in run(tmp_path, *words).items()}
    again = ["--images", str(tmp_path / "list_links/images"), "--labels", "Nodule", "--each-image-a-patient"]
    # Pseudonyms look like no records: they stay, unless that is asked for.
    assert {Path(item.image).name for item in run(tmp_path, *again).items()} == made
    command = ["datalist", "folder", "--out", str(tmp_path / "list.json"), *again, *words[-2:]]
    assert main(command) == 1
    assert "is in the folder of links that would be made" in capsys.readouterr().err
    assert all((tmp_path / "list_links/images" / name).exists() for name in made)
    assert json.loads((tmp_path / "list.json").read_text())["findings"] == ["Nodule"]


def test_what_was_annotated_under_pseudonyms_comes_back(tmp_path: Path):
    words = [*hospital(tmp_path), "--pseudonymise", str(tmp_path / "key")]
    made = {item.label: item for item in run(tmp_path, *words).items()}
    entry = {"id": 1, "file_name": f"data/{made[(0,)].image}", "height": 20, "width": 30}
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
    coco = {"images": [entry], "annotations": [box], "categories": [{"id": 1, "name": "Nodule"}]}
    (tmp_path / "boxes.json").write_text(json.dumps(coco))
    again = {item.label: item for item in run(tmp_path, *words, "--annotations", str(tmp_path / "boxes.json")).items()}
    assert {label: item.image for label, item in again.items()} == {label: item.image for label, item in made.items()}
    assert again[(0,)].boxes == (Box("Nodule", 1, 2, 3, 4),)
    assert again[(1,)].boxes == ()
