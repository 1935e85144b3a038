"""Who the patients are, as a table."""

from app.pages.document import Note
from app.reporting.table_one import table_one_parts


def cells(parts, name: str, value: str) -> list[str]:
    """The numbers of a row, whose name may stand in a row above it."""
    group = ""
    for row in parts[0].rows:
        group = row[0] or group
        if (group, row[1]) == (name, value):
            return list(row[2:])
    raise AssertionError(f"no row {name}, {value}")


def test_sections_stand_side_by_side(record):
    parts = table_one_parts(record)
    assert parts[0].head == ("", "", "training", "validation", "test")
    # By hand: 60 patients of one frontal image, split in shares of 0.4, 0.1, 0.5.
    assert cells(parts, "Patients", "") == ["24", "6", "30"]
    assert cells(parts, "Images of a patient", "median") == ["1 [1, 1]"] * 3
    assert cells(parts, "View, images", "PA") == ["24 (100%)", "6 (100%)", "30 (100%)"]
    sexes = [cells(parts, "Sex, patients", sex)[2].split()[0] for sex in "FM"]
    assert sum(map(int, sexes)) == 30
    # Ages go from 30 to 148 in steps of 2; nobody is said to be older than 90.
    assert cells(parts, "Age in years, patients", "range")[2].endswith(" to 90 or above")
    uncertain = [int(count) for count in cells(parts, "Effusion", "images: uncertain")]
    assert sum(uncertain) == 12  # every tenth of 120 images, all of them frontal


def test_without_a_record_the_measured_section_is_shown_and_that_is_said(without):
    parts = table_one_parts(without("data"))
    assert parts[0].head == ("", "", "test")
    assert cells(parts, "Patients", "") == ["28"]
    assert any(isinstance(part, Note) and "this run did not record" in part.text for part in parts)
