"""Prepared radiographs: never stale, never damaged, whoever prepares them and however that ends."""

import errno
import json
import multiprocessing
import os
import pickle
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

import app.prepared.preparing as preparing
from app.prepared import PreparationError, PreparedDataset, spread_planes
from tests.app.faulty_disk import FaultyDisk

SIDE = 8


class Scale:
    """A stand-in for reading and resizing: files hold SIDE x SIDE numbers from 0 to 1 as .npy, and each read is
    written down."""

    def __init__(self, factor, log, seconds=0.0):
        self.factor = factor
        self._log = log
        self._seconds = seconds

    def identity(self):
        return f"Scale by {self.factor}"

    def __call__(self, sample):
        with open(self._log, "a") as file:
            file.write(Path(sample["image"]).name + "\n")
        time.sleep(self._seconds)
        image = torch.from_numpy(np.load(sample["image"]))[None] * self.factor
        mask = torch.zeros(2, SIDE, SIDE, dtype=torch.uint8)
        for finding, (x, y, width, height) in zip(sample["box_finding"], sample["boxes"].astype(int), strict=True):
            mask[finding, y : y + height, x : x + width] = 1
        size = np.array([SIDE, SIDE])
        flags = {"lungs_found": image.mean() > 0.1, "is_doubtful": 0 < image.mean() < 0.2}
        return {**sample, "image": image, "mask": mask, "original_size": size, **flags}


def expected_pixels(number):
    """What file ``number`` holds, in 255ths: distinct whole numbers, so that rounding loses nothing."""
    return (np.arange(SIDE * SIDE).reshape(SIDE, SIDE) * 3 + number) % 256


@pytest.fixture
def samples(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    result = []
    for number in range(12):
        path = folder / f"{number}.npy"
        np.save(path, (expected_pixels(number) / 255).astype(np.float32))
        annotated = number % 3 == 0
        result.append(
            {
                "image": str(path),
                "name": f"{number}.npy",
                "patient": str(number),
                "label": np.array([1, -1], np.float32),
                "annotated": np.array([annotated, False]),
                "boxes": np.array([[1, 2, 3, 4]] if annotated else np.zeros((0, 4)), np.float32),
                "box_finding": np.zeros(int(annotated), np.int64),
                "mask": [],
            }
        )
    return result


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log.txt"


def reads(log):
    """How often files were read since the last call."""
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return sorted(lines)


def prepared(samples, log, tmp_path, factor=1.0, workers=0, **settings):
    return PreparedDataset(samples, Scale(factor, log), tmp_path / "kept", workers=workers, progress=False, **settings)


def shards(tmp_path, ending="data"):
    return sorted((tmp_path / "kept").glob(f"*/*.{ending}"))


@pytest.mark.parametrize("workers", [0, 2])
def test_gives_what_the_transforms_made(samples, log, tmp_path, workers):
    dataset = prepared(samples, log, tmp_path, workers=workers)
    assert len(dataset) == 12
    assert dataset.shape == (SIDE, SIDE)
    for number in range(12):
        sample = dataset[number]
        assert sample["image"].dtype == torch.uint8
        np.testing.assert_array_equal(sample["image"][0], expected_pixels(number))
        drawn = np.zeros((2, SIDE, SIDE))
        drawn[0, 2:6, 1:4] = number % 3 == 0  # the box 1, 2, 3, 4
        np.testing.assert_array_equal(sample["mask"], drawn)
        assert sample["label"].tolist() == [1, -1]
        assert sample["annotated"].tolist() == [number % 3 == 0, False]
        assert sample["region"].tolist() == [0, 0, SIDE, SIDE]
        assert sample["original_size"].tolist() == [SIDE, SIDE]
        assert sample["lungs_found"] is True
        assert sample["index"] == number


def test_reads_each_file_once(samples, log, tmp_path):
    prepared(samples, log, tmp_path)
    assert reads(log) == sorted(f"{number}.npy" for number in range(12))
    prepared(samples[::-1], log, tmp_path)
    assert reads(log) == []


def test_order_and_duplicates_do_not_matter(samples, log, tmp_path):
    dataset = prepared([samples[7], samples[2], samples[7]], log, tmp_path)
    assert reads(log) == ["2.npy", "7.npy"]
    for place, number in enumerate([7, 2, 7]):
        np.testing.assert_array_equal(dataset[place]["image"][0], expected_pixels(number))


def test_labels_change_without_preparing_again(samples, log, tmp_path):
    prepared(samples, log, tmp_path)
    reads(log)
    samples[4]["label"] = np.array([0, 1], np.float32)
    assert prepared(samples, log, tmp_path)[4]["label"].tolist() == [0, 1]
    assert reads(log) == []


def _change_file(samples, settings):
    np.save(samples[5]["image"], (expected_pixels(99) / 255).astype(np.float32))
    os.utime(samples[5]["image"], ns=(1, 1))


def _change_annotation(samples, settings):
    samples[5]["boxes"], samples[5]["box_finding"] = np.array([[0, 0, 1, 1]], np.float32), np.array([1])


def _change_parameter(samples, settings):
    settings["factor"] = 0.5


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_change_file, ["5.npy"]),
        (_change_annotation, ["5.npy"]),
        (_change_parameter, sorted(f"{number}.npy" for number in range(12))),
    ],
)
def test_never_stale(samples, log, tmp_path, change, expected):
    prepared(samples, log, tmp_path)
    reads(log)
    settings = {}
    change(samples, settings)
    dataset = prepared(samples, log, tmp_path, **settings)
    assert reads(log) == expected
    fresh = Scale(settings.get("factor", 1.0), log)(samples[5])
    np.testing.assert_array_equal(dataset[5]["image"].numpy(), np.rint(fresh["image"].numpy() * 255))
    np.testing.assert_array_equal(dataset[5]["mask"], fresh["mask"])


def test_a_file_that_changes_before_it_is_read_is_named(samples, log, tmp_path, monkeypatch):
    call = Scale.__call__

    def change_another(self, sample):
        if sample["name"] == "2.npy":
            _change_file(samples, {})
        return call(self, sample)

    monkeypatch.setattr(Scale, "__call__", change_another)
    with pytest.raises(PreparationError, match=r"1 of 12 .*\n  5\.npy: .*have changed in the meantime"):
        prepared(samples, log, tmp_path)


def test_known_by_content_data_may_be_moved(samples, log, tmp_path):
    prepared(samples, log, tmp_path, content=True)
    reads(log)
    (tmp_path / "files").rename(tmp_path / "moved")
    for sample in samples:
        sample["image"] = sample["image"].replace("/files/", "/moved/")
    prepared(samples, log, tmp_path, content=True)
    assert reads(log) == []
    np.save(samples[5]["image"], (expected_pixels(99) / 255).astype(np.float32))
    prepared(samples, log, tmp_path, content=True)
    assert reads(log) == ["5.npy"]


@pytest.mark.parametrize("workers", [0, 2])
def test_loader_collates_the_same_for_any_workers(samples, log, tmp_path, workers):
    dataset = prepared(samples, log, tmp_path)
    batches = list(DataLoader(dataset, 5, num_workers=workers))
    assert [len(batch["index"]) for batch in batches] == [5, 5, 2]
    images = torch.cat([batch["image"] for batch in batches])
    np.testing.assert_array_equal(images[:, 0], np.stack([expected_pixels(number) for number in range(12)]))
    whole = DataLoader(
        Batches(dataset), None, sampler=BatchSampler(SequentialSampler(dataset), 5, False), num_workers=workers
    )
    for batch, other in zip(batches, whole, strict=True):
        mask = spread_planes(other.pop("planes"), other.pop("plane_at"), tuple(batch["mask"].shape))
        for key, value in {**other, "mask": mask}.items():
            assert torch.equal(value, batch[key]), key


class Batches:
    def __init__(self, dataset):
        self.dataset = dataset

    def __getitem__(self, indices):
        return self.dataset.read_planes(indices)


def test_a_pickled_dataset_reads_the_same(samples, log, tmp_path):
    dataset = prepared(samples, log, tmp_path)
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy[3]["image"], dataset[3]["image"])


def test_bad_files_are_all_named(samples, log, tmp_path):
    Path(samples[3]["image"]).write_bytes(b"not an array")
    Path(samples[8]["image"]).unlink()
    with pytest.raises(PreparationError, match=r"2 of 12 .*\n  3\.npy: \w+: .*\n  8\.npy: FileNotFoundError"):
        prepared(samples, log, tmp_path)
    reads(log)
    dataset = prepared(samples, log, tmp_path, on_error="exclude")
    assert reads(log) == ["3.npy"]  # all others were kept
    assert [name for name, _ in dataset.excluded] == ["3.npy", "8.npy"]
    assert [sample["name"] for sample in dataset.samples] == [f"{n}.npy" for n in range(12) if n not in (3, 8)]
    assert dataset[3]["label"].shape == (2,)
    np.testing.assert_array_equal(dataset[3]["image"][0], expected_pixels(4))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((SIDE, SIDE), np.nan, np.float32), "from nan to nan, but 0 to 1"),
        (np.full((SIDE, SIDE), 7, np.float32), "from 7 to 7, but 0 to 1"),
        (np.zeros((1, SIDE, SIDE), np.float32), r"shape \(1, 1, 8, 8\), but \(1, height, width\)"),
    ],
)
def test_what_is_no_image_is_refused(samples, log, tmp_path, image, message):
    np.save(samples[2]["image"], image)
    with pytest.raises(PreparationError, match=rf"2\.npy: ValueError: .*{message}"):
        prepared(samples, log, tmp_path)


def unequal(sample):
    return {"image": torch.zeros(1, 4 if sample["name"] == "2.npy" else 5, 5)}


def test_sizes_that_differ_are_refused(samples, log, tmp_path):
    plain = [{**sample, "boxes": None, "box_finding": None} for sample in samples]
    with pytest.raises(PreparationError, match=r"several sizes \(height, width\), \[\(4, 5\), \(5, 5\)\]"):
        PreparedDataset(plain, unequal, tmp_path / "kept", workers=0, progress=False)


def test_annotations_that_nobody_draws_are_refused(samples, tmp_path):
    with pytest.raises(PreparationError, match=r"4 of 12 .*\n.*no transform has drawn them"):
        PreparedDataset(samples, unequal, tmp_path, workers=0, progress=False)


def test_lungs_that_were_not_found_are_named(samples, log, tmp_path):
    np.save(samples[6]["image"], np.zeros((SIDE, SIDE), np.float32))
    assert prepared(samples, log, tmp_path).lungs_not_found == ["6.npy"]


def test_doubtful_samples_are_named(samples, log, tmp_path):
    np.save(samples[3]["image"], np.full((SIDE, SIDE), 0.15, np.float32))
    np.save(samples[5]["image"], np.full((SIDE, SIDE), 0.05, np.float32))
    dataset = prepared(samples, log, tmp_path)
    assert dataset.doubtful == prepared(samples, log, tmp_path).doubtful == ["3.npy", "5.npy"]
    assert dataset.lungs_not_found == ["5.npy"], "one does not stand for the other"


def assert_as_made(dataset):
    batch = dataset.read_batch(range(12))
    np.testing.assert_array_equal(batch["image"][:, 0], np.stack([expected_pixels(number) for number in range(12)]))
    assert batch["mask"].sum() == 4 * 12  # four boxes of 3 x 4


@pytest.mark.parametrize("place", [0, 10, -1])
def test_a_flipped_bit_is_found_and_the_radiograph_made_again(samples, log, tmp_path, place):
    prepared(samples, log, tmp_path)
    (path,) = shards(tmp_path)
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)
    reads(log)
    assert_as_made(prepared(samples, log, tmp_path))
    # The last bytes fill up to the alignment, and mean nothing.
    assert reads(log) == (["0.npy"] if place >= 0 else [])
    assert_as_made(prepared(samples, log, tmp_path))
    assert reads(log) == []


def test_workers_of_a_loader_repair_too(samples, log, tmp_path):
    prepared(samples, log, tmp_path)
    (path,) = shards(tmp_path)
    path.write_bytes(bytes(len(path.read_bytes())))
    dataset = prepared(samples, log, tmp_path)
    reads(log)
    for _ in range(2):
        images = torch.cat([batch["image"] for batch in DataLoader(dataset, 5, num_workers=2)])
        np.testing.assert_array_equal(images[:, 0], np.stack([expected_pixels(n) for n in range(12)]))
    assert len(reads(log)) <= 24  # the image and the masks of each are found damaged on their own, once


@pytest.mark.parametrize("ending", ["data", "records"])
@pytest.mark.parametrize("keep", [0, 0.5])
def test_a_shard_cut_short_is_made_up_for(samples, log, tmp_path, ending, keep):
    prepared(samples, log, tmp_path)
    (path,) = shards(tmp_path, ending)
    os.truncate(path, int(path.stat().st_size * keep))
    reads(log)
    dataset = prepared(samples, log, tmp_path)
    assert len(reads(log)) in (range(5, 8) if keep else [12])
    np.testing.assert_array_equal(
        dataset.read_batch(range(12))["image"][:, 0], np.stack([expected_pixels(n) for n in range(12)])
    )


def test_a_shard_that_vanishes_while_in_use_is_made_up_for(samples, log, tmp_path):
    dataset = prepared(samples, log, tmp_path)
    for path in (tmp_path / "kept").glob("*/0*"):
        path.unlink()
    np.testing.assert_array_equal(dataset[4]["image"][0], expected_pixels(4))


def test_too_little_room_is_said_before_starting(samples, log, tmp_path, monkeypatch):
    prepared(samples, log, tmp_path, factor=0.5)
    reads(log)
    monkeypatch.setattr(preparing.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(OSError, match=r"12 radiographs are still to be prepared, which takes 0\.000 GB") as caught:
        prepared(samples, log, tmp_path)
    assert caught.value.errno == errno.ENOSPC
    assert str(tmp_path / "kept") in str(caught.value)
    assert f"are results of other transforms: `frugal prepared {tmp_path / 'kept'}` lists" in str(caught.value)


def test_a_disk_that_fills_up_says_what_is_needed_and_is_continued(samples, log, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        # The tenth write is among the data and records of the first radiographs.
        FaultyDisk(tmp_path / "kept", fail_at=30, code=errno.ENOSPC).install(patch)
        with pytest.raises(OSError, match=r"radiographs are still to be prepared.*then start again"):
            prepared(samples, log, tmp_path)
    done = len(reads(log)) - 1
    assert 0 < done < 12
    dataset = prepared(samples, log, tmp_path)
    assert len(reads(log)) == 12 - done
    assert_as_made(dataset)
    assert reads(log) == []


def test_a_folder_that_is_read_only_serves_what_is_complete(samples, log, tmp_path, monkeypatch):
    prepared(samples[:6], log, tmp_path)

    def refuse(path, content):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(preparing, "write_whole", refuse)
    assert len(prepared(samples[:6], log, tmp_path)) == 6
    with pytest.raises(OSError, match=r"not all radiographs are prepared yet.*cannot be written to"):
        prepared(samples, log, tmp_path)


def start_child(samples, log, tmp_path, workers):
    def work():
        dataset = PreparedDataset(samples, Scale(1.0, log, 0.05), tmp_path / "kept", workers=workers, progress=False)
        assert_as_made(dataset)
        os._exit(0)

    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    return child


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_halfway_it_goes_on_where_it_was(samples, log, tmp_path, workers):
    child = start_child(samples, log, tmp_path, workers)
    wait_for(lambda: log.exists() and len(log.read_text().splitlines()) >= 6)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    time.sleep(0.2)  # what its workers had begun
    begun = len(reads(log))
    dataset = prepared(samples, log, tmp_path)
    repeated = begun + len(reads(log)) - 12
    assert 0 <= repeated <= 1 + 4 * workers  # what was under way, in the queues of the workers included
    assert begun - repeated >= 3 or workers
    assert_as_made(dataset)


def test_two_processes_share_the_work(samples, log, tmp_path):
    children = [start_child(samples, log, tmp_path, 0) for _ in range(2)]
    for child in children:
        child.join(timeout=30)
    assert [child.exitcode for child in children] == [0, 0]
    assert reads(log) == sorted(f"{number}.npy" for number in range(12))  # each file by one of them


def test_says_what_was_done_in_a_file(samples, log, tmp_path):
    prepared(samples, log, tmp_path)
    (path,) = (tmp_path / "kept").glob("*/transform.json")
    assert "Scale by 1.0" in json.dumps(json.loads(path.read_text()))


def test_portions_are_read_back_alone_and_lie_in_one_shard(samples, tmp_path):
    log = tmp_path / "log"
    none = PreparedDataset([], Scale(1, log), tmp_path / "prepared", 0, False, "exclude")
    portions = [none.with_samples(samples[:5]), none.with_samples(samples[5:])]
    assert len(list(none.folder.glob("*.data"))) == 1
    whole = PreparedDataset(samples, Scale(1, log), tmp_path / "prepared", 0, False)
    assert len(log.read_text().splitlines()) == len(samples)  # nothing was prepared again
    images = torch.cat([portion.read_batch(range(len(portion)))["image"] for portion in portions])
    assert torch.equal(images, whole.read_batch(range(len(whole)))["image"])
    few = PreparedDataset(samples[:5], Scale(1, log), tmp_path / "prepared", 0, False)
    # An image and its masks each: of the others in the folder none is held in memory.
    assert [len(portion._reader.entries) for portion in (*portions, few, whole)] == [10, 14, 10, 24]


def test_portions_may_lie_elsewhere(samples, tmp_path):
    none = PreparedDataset([], Scale(1, tmp_path / "log"), tmp_path / "prepared", 0, False, "exclude")
    portion = none.with_samples(samples[:2], tmp_path / "other")
    assert portion.folder == tmp_path / "other" / none.folder.name
    assert len(portion) == 2
    assert not list(none.folder.glob("*.data"))


def test_positions_are_those_in_the_list_given(samples, tmp_path):
    (tmp_path / "files/1.npy").write_text("damaged")
    dataset = PreparedDataset(samples, Scale(1, tmp_path / "log"), tmp_path / "prepared", 0, False, "exclude")
    assert dataset.positions == [0, *range(2, 12)]
