"""Findings down, measures across; counts as counts."""

from app.pages.document import Folded, Heading, Table
from app.reporting.metric_tables import metric_parts, metric_values


def entry(value: float, **counts: float) -> dict[str, float]:
    return {"value": value, "lower": value - 0.1, "upper": value + 0.1, **counts}


def tables(metrics: dict) -> dict[str, Table]:
    """Tables by their heading, also those in folds, as ``fold / heading``."""
    found: dict[str, Table] = {}

    def walk(parts, prefix: str) -> None:
        heading = ""
        for part in parts:
            if isinstance(part, Heading):
                heading = part.text
            elif isinstance(part, Table):
                found[prefix + heading] = part
            elif isinstance(part, Folded):
                walk(part.parts, f"{prefix}{part.summary} / ")

    walk(metric_parts(list(metric_values(metrics))), "")
    return found


def test_one_table_for_the_levels_of_a_measure():
    levels = {
        f"T 0.{n}": {"Mass": entry(0.5, images=27, threshold=0.5), "macro": {"value": 0.5, "findings": 1}}
        for n in range(1, 8)
    }
    table = tables({"iou_accuracy": levels})["IoU accuracy"]
    assert table.head == ("finding", "images", "threshold", *(f"T 0.{n} [95%]" for n in range(1, 8)))
    assert table.rows == [("Mass", "27", "0.500", *["0.500 [0.400, 0.600]"] * 7)]


def test_counts_are_whole_and_are_told_once():
    counts = {"present": 3, "absent": 1200, "unknown": 0, "cycles": 3}
    found = tables(
        {
            "auc": {
                "Mass": entry(0.5, **counts),
                "Cyst": entry(0.6, **counts),
                "macro": {"value": 0.55, "findings": 2},
            },
            "brier": {
                "Mass": entry(0.2, **counts),
                "Cyst": entry(0.2, **counts),
                "macro": {"value": 0.2, "findings": 2},
            },
        }
    )
    assert found["Present or absent"].head == ("finding", "present", "absent", "cycles", "AUC [95%]")
    assert found["Present or absent"].rows[0] == ("Mass", "3", "1,200", "3", "0.500 [0.400, 0.600] *")
    assert found["Present or absent"].rows[2] == ("macro average of 2", "", "", "", "0.550")
    assert found["Calibration"].head == ("finding", "Brier score [95%]")


def test_measures_that_are_new_share_a_table():
    found = tables({"novelty": {"Mass": entry(0.5)}, "oddity": {"Mass": entry(0.25)}})
    assert found["Other measures"].head == ("finding", "novelty [95%]", "oddity [95%]")


def test_reports_that_hold_measures_are_folded_with_tables_of_their_own():
    inner = {"auc": {"Mass": entry(0.5)}, "brier": {"Mass": entry(0.25)}}
    found = tables({"auc": {"Mass": entry(0.6)}, "by_study": inner, "by_finding_group": {"tubes": inner}})
    assert list(found) == [
        "Present or absent",
        "By study / Present or absent",
        "By study / Calibration",
        "By finding group / Tubes / Present or absent",
        "By finding group / Tubes / Calibration",
    ]


def test_levels_that_differ_in_their_counts_are_rows():
    found = tables({"novelty": {"PA": {"Mass": entry(0.5, images=30)}, "AP": {"Mass": entry(0.5, images=40)}}})
    assert found["Novelty"].rows == [
        ("PA", "Mass", "0.500 [0.400, 0.600]", "30"),
        ("AP", "Mass", "0.500 [0.400, 0.600]", "40"),
    ]


def test_areas_by_group_are_left_to_the_subgroups():
    assert tables({"auc_by": {"sex": {"F": {"Mass": entry(0.5)}}}, "auc_by_view": {"PA": {"Mass": entry(0.5)}}}) == {}


def test_a_measure_at_a_single_level_is_a_column_among_others():
    found = tables({"novelty": {"depth 0.9": {"Mass": entry(0.5)}}, "oddity": {"Mass": entry(0.25)}})
    assert list(found) == ["Other measures"]
    assert found["Other measures"].head == ("finding", "novelty (depth 0.9) [95%]", "oddity [95%]")
