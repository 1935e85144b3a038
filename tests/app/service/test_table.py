"""What became of each image."""

import sqlite3
from contextlib import closing

import pytest

from app.service.table import LEFT_OUT, QUARANTINED, SCORED, SENT, WAITING, Table

IMAGE = "s0-i1"


def test_an_image_from_arrival_to_stored_results(table):
    assert table.begin(IMAGE, received=10, now=11) == 1
    assert table.counts()[WAITING] == 1
    table.scored(IMAGE, 12, "abc", {"Nodule": (0.25, True)}, True)
    assert table.counts()[SCORED] == 1
    table.end(IMAGE, SENT, "", 14)
    assert table.counts()[SENT] == 1
    assert table.latencies(0) == [4]
    assert table.scores(0, 100) == {"Nodule": [(0.25, True)]}
    assert (table.doubtful(), table.doubtful(until=10)) == (1, 0)


def test_tries_count_until_an_image_ends_and_do_not_count_if_it_is_put_off(table):
    assert [table.begin(IMAGE, 10, now) for now in (11, 12)] == [1, 2]
    table.put_off(IMAGE)
    assert table.begin(IMAGE, 10, 13) == 2
    table.scored(IMAGE, 14, "", {}, False)
    assert table.begin(IMAGE, 20, 21) == 1


def test_an_image_that_comes_again_is_measured_from_then(table):
    table.begin(IMAGE, 10, 11)
    table.end(IMAGE, SENT, "", 14)
    table.begin(IMAGE, 100, 101)
    assert table.latencies(0) == []
    table.end(IMAGE, SENT, "", 103)
    assert table.latencies(0) == [3]


def test_reasons_are_counted_in_their_time(table):
    for number, reason in enumerate(("is a lateral view", "is a lateral view", "is a result of ours")):
        table.begin(f"s0-i{number}", number, number)
        table.end(f"s0-i{number}", LEFT_OUT, reason, number)
    assert list(table.reasons(LEFT_OUT).items()) == [("is a lateral view", 2), ("is a result of ours", 1)]
    assert table.reasons(LEFT_OUT, since=1, until=2) == {"is a lateral view": 1}
    assert table.reasons(QUARANTINED) == {}


def test_it_is_read_by_another_process_and_forgets(table):
    table.begin(IMAGE, 10, 11)
    table.see("f1", 10)
    table.note("changes", "17")
    other = Table(table.path)
    assert (other.first(), other.noted("changes"), other.noted("nothing")) == (10, "17", None)
    assert (other.was_seen("f1", 10), other.was_seen("f2", 10)) == (True, False)
    other.forget(before=11)
    assert table.first() is None
    assert not table.was_seen("f1", 12)


def test_what_is_still_there_is_not_forgotten(table):
    table.see("f1", 10)
    assert table.was_seen("f1", 20)
    table.forget(before=15)
    assert table.was_seen("f1", 21)


def changed(table, *statements):
    """The path of a table after statements of SQL."""
    table.close()
    with closing(sqlite3.connect(table.path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return table.path


def test_a_table_of_an_earlier_version_gets_the_columns_that_it_lacks(table):
    older = changed(
        table,
        "DROP TABLE images",
        "CREATE TABLE images (image TEXT PRIMARY KEY, received REAL NOT NULL, begun REAL, sent REAL,\n"
        "tries INTEGER NOT NULL DEFAULT 0, outcome TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',\n"
        "algorithm TEXT NOT NULL DEFAULT '', scores TEXT NOT NULL DEFAULT '{}'  -- the last of them\n)",
        "INSERT INTO images (image, received, outcome) VALUES ('s0-i1', 10, 'waiting')",
    )
    newer = Table(older)
    Table(older).scored(IMAGE, 12, "abc", {"Nodule": (0.25, True)}, True)
    assert (newer.counts()[SCORED], newer.doubtful()) == (1, 1)
    assert newer.begin(IMAGE, 20, 21) == 1


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("ALTER TABLE images ADD COLUMN room TEXT", "images is of another version of FrugalCXR .column room"),
        ("ALTER TABLE notes RENAME COLUMN value TO text", "notes is of another version of FrugalCXR .column text"),
        ("ALTER TABLE images DROP COLUMN outcome", "Cannot add a NOT NULL column"),
    ],
    ids=["newer", "renamed", "no default"],
)
def test_a_table_of_another_version_is_refused_in_one_line(table, statement, message):
    table.begin(IMAGE, 10, 11)
    other = changed(table, statement)
    with pytest.raises(ValueError, match=rf"table.sqlite: .*{message}.*; use the version that wrote it"):
        Table(other)
    changed(table, "DELETE FROM images")  # no lock is left


def test_another_file_is_refused(tmp_path):
    (tmp_path / "table.sqlite").write_text("nothing of SQLite's" * 100)
    with pytest.raises(ValueError, match=r"table.sqlite: file is not a database; use"):
        Table(tmp_path / "table.sqlite")
