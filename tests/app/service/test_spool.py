"""The queue: what is in it is whole, nothing is lost, and no name tells who a patient is."""

import errno
import os
import re

import pytest

from app.service.spool import Shard, Waiting
from tests.app.faulty_disk import FaultyDisk
from tests.app.service.conftest import NAME, content, radiograph

ALL = Shard()


def names(spool, shard=ALL):
    return [each.name for each in spool.waiting(shard)]


def test_an_object_waits_under_pseudonyms_with_its_bytes(spool):
    given = content(radiograph())
    name = spool.add(given)
    assert re.fullmatch("s[0-9a-f]{16}-i[0-9a-f]{16}", name)
    (waiting,) = spool.waiting(ALL)
    assert (waiting.name, waiting.path.read_bytes()) == (name, given)
    assert not {NAME, "4711", "A77", "2.25.1", "2.25.91"} & set(re.split("[-.]", name))


def test_the_same_object_is_queued_once_and_images_of_a_study_share_its_part_of_the_name(spool):
    first = radiograph(1)
    second = radiograph(2, StudyInstanceUID=first.StudyInstanceUID)
    added = [spool.add(content(each)) for each in (first, first, second)]
    assert added[0] == added[1] != added[2]
    assert added[0][:17] == added[2][:17]
    assert sorted(names(spool)) == sorted(set(added))


def test_shards_share_all_images_without_overlap(spool):
    for number in range(1, 9):
        spool.add(content(radiograph(number)))
    parts = [names(spool, Shard(number, 3)) for number in (1, 2, 3)]
    assert sorted(name for part in parts for name in part) == sorted(names(spool))
    assert sum(map(len, parts)) == 8


def test_what_is_no_dicom_is_queued_too_since_only_scoring_can_tell(spool):
    name = spool.add(b"nonsense")
    assert names(spool) == [name]


def test_files_of_others_are_not_taken_for_images(spool):
    for name in ("readme.dcm", ".1-2.partial", "s12-i34.dcm"):
        (spool.incoming / name).touch()
    assert names(spool) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=["full", "failing"])
def test_nothing_half_written_is_left_where_the_disk_fails(spool, monkeypatch, code):
    spool.add(b"makes the key")
    with monkeypatch.context() as patch:
        FaultyDisk(spool.folder, 2, code).install(patch)
        with pytest.raises(OSError, match=os.strerror(code)):
            spool.add(content(radiograph()))
    assert len(names(spool)) == 1


def test_results_are_queued_together_and_replace_older_ones(spool):
    spool.deliver("s" + "0" * 16 + "-i" + "1" * 16, [("sr-1", radiograph(1)), ("sc-1", radiograph(2))])
    spool.deliver("s" + "0" * 16 + "-i" + "1" * 16, [("sr-1", radiograph(3))])
    (results,) = spool.to_send(ALL)
    assert [path.name for path in results.path.iterdir()] == ["sr-1.dcm"]
    spool.sent(results)
    assert spool.to_send(ALL) == []


def test_results_of_which_one_cannot_be_written_are_not_queued(spool):
    broken = radiograph()
    del broken.file_meta
    with pytest.raises(ValueError, match="determine the encoding"):
        spool.deliver("s" + "0" * 16 + "-i" + "1" * 16, [("sr-1", radiograph(1)), ("sc-1", broken)])
    assert list(spool.outbox.iterdir()) == []


def test_quarantine_holds_the_file_and_the_reason(spool):
    spool.add(b"nonsense")
    (image,) = spool.waiting(ALL)
    spool.set_aside(image, "is not a DICOM file")
    assert spool.waiting(ALL) == []
    assert (spool.quarantine / f"{image.name}.dcm").read_bytes() == b"nonsense"
    assert (spool.quarantine / f"{image.name}.txt").read_text() == "is not a DICOM file\n"
    assert spool.quarantined() == 1


@pytest.mark.parametrize("keep", [True, False])
def test_a_finished_image_is_kept_if_that_is_wanted(spool, keep):
    spool.add(b"nonsense")
    spool.finish(spool.waiting(ALL)[0], keep)
    assert spool.waiting(ALL) == []
    assert len(list(spool.done.iterdir())) == keep


def test_what_killed_processes_left_is_removed(spool):
    (spool.incoming / ".12-34-56.partial").touch()
    (spool.outbox / f".s{'0' * 16}-i{'1' * 16}").mkdir()
    spool.clean(ALL)
    assert not [*spool.incoming.iterdir(), *spool.outbox.iterdir()]


def test_an_image_taken_twice_at_once_is_finished_once(spool):
    spool.add(b"nonsense")
    (image,) = spool.waiting(ALL)
    spool.finish(image, keep=False)
    spool.finish(Waiting(image.name, image.path, 0.0), keep=False)
    assert spool.waiting(ALL) == []
