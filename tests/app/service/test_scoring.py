"""Three kinds of failure: not for us, bad, and not now. Results wait in the outbox, and nothing is lost."""

from pathlib import Path
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest

from app.dicom.header import HeaderError
from app.service.scoring import MOST_TRIES, Scorer
from app.service.settings import Settings
from app.service.spool import Shard, Spool
from app.service.table import LEFT_OUT, QUARANTINED, SCORED, WAITING
from tests.app.service.conftest import NAME, content, radiograph
from transforms.errors import RadiographError

ALL = Shard()


class Model:
    """Scores every image 0.75, or fails with the errors that it is given."""

    any_view, findings, algorithm = False, ["Nodule"], "abc"

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def score(self, path: Path) -> SimpleNamespace:
        if self.errors:
            raise self.errors.pop(0)
        return SimpleNamespace(scores=np.array([0.75]), is_called=np.array([True]), is_doubtful=True)

    def objects(self, scored):
        return [("sr-1", radiograph(100))]


@pytest.fixture
def scorer(spool, table, monkeypatch):
    """A scorer whose model fails as it is told; the header is read in this process."""
    monkeypatch.setattr("app.service.scoring.limited", lambda function, *arguments: function(*arguments))
    values = {"weights": "a", "spool": spool.folder, "send": {"folder": {"path": "out"}}}
    receive = [{"folder": {"path": "in"}}]

    def make(*errors, **changes):
        settings = Settings.model_validate({**values, "receive": receive, **changes})
        return Scorer(settings, spool, table, Model(*errors))

    return make


def first(spool, **changes):
    spool.add(content(radiograph(**changes)))
    return spool.waiting(ALL)[0]


@pytest.mark.parametrize("keep", [True, False])
def test_results_are_in_the_outbox_and_the_image_is_done(scorer, spool, table, keep):
    image = first(spool)
    scorer(keep_images=keep).handle(image)
    assert [each.name for each in spool.to_send(ALL)] == [image.name]
    assert spool.waiting(ALL) == []
    assert len(list(spool.done.iterdir())) == keep
    assert table.counts()[SCORED] == 1
    assert table.scores(0, 1e12) == {"Nodule": [(0.75, True)]}
    assert table.doubtful() == 1


def test_not_for_us_is_counted_with_its_reason_and_not_kept(scorer, spool, table):
    scorer().handle(first(spool, ViewPosition="LL"))
    assert table.reasons(LEFT_OUT) == {"is a lateral view": 1}
    assert not [*spool.incoming.iterdir(), *spool.outbox.iterdir(), *spool.quarantine.iterdir()]


BAD = {
    "unreadable": (RadiographError("PATH: has a damaged Rows"), "has a damaged Rows"),
    "header": (HeaderError("the header lacks StudyInstanceUID"), "the header lacks StudyInstanceUID"),
    "not numbers": (FloatingPointError("the network's scores are not numbers"), "the network's scores are not numbers"),
    "quotes a value": (ValueError(f"{NAME} is no number"), "cannot be scored (ValueError)"),
}


def test_a_reason_names_no_folder_if_the_spool_is_given_relatively(scorer, spool, table, monkeypatch):
    monkeypatch.chdir(spool.folder.parent)
    first(spool)
    (image,) = Spool(Path(spool.folder.name)).waiting(ALL)
    scorer(RadiographError(f"{image.path.absolute()}: has a damaged Rows")).handle(image)
    assert table.reasons(QUARANTINED) == {"has a damaged Rows": 1}


@pytest.mark.parametrize("name", BAD)
def test_bad_images_are_in_quarantine_for_good(scorer, spool, table, name):
    error, reason = BAD[name]
    image = first(spool)
    scorer(type(error)(str(error).replace("PATH", str(image.path)))).handle(image)
    assert (spool.quarantine / f"{image.name}.txt").read_text() == f"{reason}\n"
    assert table.reasons(QUARANTINED) == {reason: 1}
    assert spool.waiting(ALL) == spool.to_send(ALL) == []


def test_what_is_no_dicom_is_in_quarantine(scorer, spool, table):
    spool.add(b"\x89PNG" + bytes(300))
    scorer().handle(spool.waiting(ALL)[0])
    assert table.reasons(QUARANTINED) == {"is not a DICOM file": 1}


def test_not_now_keeps_the_image_however_often(scorer, spool, table):
    image, errors = first(spool), [OSError(28, "No space left on device"), MemoryError()] * 5
    made = scorer(*errors)
    for error in errors:
        with pytest.raises(type(error)):
            made.handle(image)
    assert table.counts()[WAITING] == 1
    made.handle(image)
    assert table.counts()[SCORED] == 1


def test_a_fault_of_ours_is_tried_again_and_given_up_in_the_end(scorer, spool, table, caplog):
    image, made = first(spool), scorer(*[RuntimeError(NAME)] * MOST_TRIES)
    for _ in range(MOST_TRIES):
        made.handle(image)
        assert len(spool.waiting(ALL)) == 1
    made.handle(image)
    assert table.counts()[QUARANTINED] == 1
    assert "RuntimeError" in caplog.text
    assert NAME not in caplog.text


def test_an_image_that_ends_the_service_again_and_again_is_given_up(scorer, spool, table):
    image = first(spool)
    for _ in range(MOST_TRIES):
        table.begin(image.name, 0, 0)  # and the process was killed
    scorer().handle(image)
    assert table.counts()[QUARANTINED] == 1


def test_all_that_waits_is_scored_until_the_service_stops(scorer, spool, table):
    for number in range(1, 4):
        spool.add(content(radiograph(number)))
    stop, made = Event(), scorer()
    handle = made.handle

    def handled(image):
        handle(image)
        if table.counts()[SCORED] == 2:
            stop.set()

    made.handle = handled
    made.run(ALL, stop)
    assert (len(spool.waiting(ALL)), table.counts()[SCORED]) == (1, 2)


def test_an_image_that_somebody_takes_away_is_left(scorer, spool, table):
    image, made = first(spool), scorer()
    image.path.unlink()
    made.handle(image)
    assert not list(spool.quarantine.iterdir())
