"""What became of each image."""

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
