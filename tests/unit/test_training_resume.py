"""A training that was stopped goes on exactly where it was; what its state cannot mean is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from embeddings.errors import TrainingFailed
from embeddings.model_store import ModelStore
from embeddings.taxonomy import Taxonomy
from embeddings.training.augmentation import Augmentation
from embeddings.training.checkpoints import Checkpoints, TrainingState, remove_state
from embeddings.training.config import Schedule, TrainingConfig
from embeddings.training.history import record_from_json, write_history
from embeddings.training.labelled_images import LabelledImages
from embeddings.training.measurement import RANKS, Measurement
from embeddings.training.network_training import train_network
from embeddings.training.progress import EpochRecord
from embeddings.training.publication import Publication
from embeddings.training.training_identity import training_identity
from tests.full_disk import files_end_at

SIZE = 32
TAXONOMY = Taxonomy(("color=blue", "color=green", "color=red"))
RECIPE = TrainingConfig(
    epochs=3, batch_size=4, learning_rate=3e-3, weight_decay=0.01, augmentation=Augmentation(), seed=5
)


def swatches(count=12, seed=2):
    random = np.random.default_rng(seed)
    images = random.integers(0, 90, (count, SIZE, SIZE, 3), dtype=np.uint8)
    for row in range(count):
        images[row, ..., 2 - row % 3] += 120
    return LabelledImages(images, [[TAXONOMY.names[row % 3]] for row in range(count)])


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


def run(folder, recipe=RECIPE, *, kill_after=None, kill_in_step=None, data=None, **more):
    """The weights file's hash; or Killed, once the epoch was told of or while a step of the next one is done."""
    finished = []

    def on_epoch(record):
        finished.append(record.epoch)
        if kill_in_step is None and record.epoch == kill_after:
            raise Killed

    def on_phase(phase, done, total):
        if kill_in_step is not None and phase.startswith(f"epoch {kill_after + 1}/") and done >= kill_in_step:
            raise Killed

    version = train_network(
        recipe,
        data or swatches(),
        TAXONOMY,
        Publication(store=ModelStore(folder / "models"), version="v", data="d", command="c"),
        held_out=swatches(6, seed=3),
        checkpoints=folder / "state",
        on_epoch=on_epoch,
        on_phase=on_phase,
        **more,
    )
    return version.manifest.networks[0].sha256, finished, version


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return run(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("kill_in_step", [None, 8], ids=["between epochs", "within an epoch"])
def test_a_killed_training_ends_bit_for_bit_as_if_it_had_not_been(uninterrupted, tmp_path, kill_in_step):
    """Killed after epoch 1 of 3, or in the middle of epoch 2: the same call does epochs 2 and 3, and no more."""
    with pytest.raises(Killed):
        run(tmp_path, kill_after=1, kill_in_step=kill_in_step)
    notes = []
    digest, finished, version = run(tmp_path, on_note=notes.append)
    assert finished == [2, 3]
    assert digest == uninterrupted[0]
    assert version.manifest.scores == uninterrupted[2].manifest.scores
    assert any("Going on after epoch 1" in note for note in notes)
    assert not (tmp_path / "state").exists()


def test_a_training_that_went_bad_stops_and_keeps_its_last_good_state(tmp_path):
    """At a rate beyond all measure the loss is NaN in the next steps: said with the step, and what was good stays."""
    with pytest.raises(Killed):
        run(tmp_path, kill_after=1)
    before = (tmp_path / "state" / "state.npz").read_bytes()
    # The same training with numbers that break it: as if the recipe had been fine until epoch 2.
    checkpoints = Checkpoints(tmp_path / "state", json.loads(_identity(tmp_path)))
    state = checkpoints.load()
    checkpoints.save(replace(state, network=[np.full_like(array, np.nan) for array in state.network]))
    broken = (tmp_path / "state" / "state.npz").read_bytes()
    with pytest.raises(TrainingFailed) as failed:
        run(tmp_path)
    assert "nan at step 1 of epoch 2; last good state: epoch 1" in failed.value.received
    assert "--learning-rate" in failed.value.remedy
    assert (tmp_path / "state" / "state.npz").read_bytes() == broken != before


def _identity(folder):
    with np.load(folder / "state" / "state.npz", allow_pickle=False) as stored:
        return json.dumps(json.loads(stored["facts"].tobytes())["identity"])


# Epoch 2 is the best; the two after it, which patience waits for, are worse than the first.
SCRIPT = (0.5, 0.75, 0.25, 0.375)
PATIENT = replace(RECIPE, epochs=9, schedule=Schedule.CONSTANT, patience=2)


@pytest.fixture
def scripted(monkeypatch):
    """Measures nothing: the scores of epochs are those of the script, which goes on where a training goes on."""
    script = iter(SCRIPT)

    def measured(_measurement, ks, *_):
        return {} if ks == RANKS else {PATIENT.monitor: next(script)}

    monkeypatch.setattr(Measurement, "__call__", measured)


@pytest.fixture(scope="module")
def best_epochs_weights(tmp_path_factory):
    """The hash of what two epochs at the same constant rate train, no more and with no look at any score."""
    return run(tmp_path_factory.mktemp("two"), replace(PATIENT, epochs=2, patience=None))[0]


@pytest.mark.usefixtures("scripted")
def test_early_stopping_keeps_the_best_weights(best_epochs_weights, tmp_path):
    """Two epochs after the best, training stops, and its weights are those of the best, not of the last."""
    notes = []
    digest, finished, version = run(tmp_path, PATIENT, on_note=notes.append)
    assert finished == [1, 2, 3, 4]
    assert digest == best_epochs_weights
    told = next(
        note for note in notes if note.startswith("Epoch 2 of 4 was the best by prob/intersection attribute IoU@5")
    )
    assert "a little better" in told, "scores of what was chosen by them are not those of other photos"
    history = json.loads((version.folder / "history.json").read_text())
    assert [record["epoch"] for record in history] == [1, 2, 3, 4]
    assert [record["scores"][PATIENT.monitor] for record in history] == list(SCRIPT)
    assert (version.folder / "history.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize(("kill_after", "rest"), [(3, [4]), (4, [])], ids=["one more to wait for", "nothing left"])
def test_a_killed_training_still_knows_its_best_weights(best_epochs_weights, tmp_path, kill_after, rest):
    """Killed after the best epoch: the same call waits for what is left, and ends with the best epoch's weights."""
    with pytest.raises(Killed):
        run(tmp_path, PATIENT, kill_after=kill_after)
    digest, finished, version = run(tmp_path, PATIENT)
    assert finished == rest
    assert digest == best_epochs_weights
    history = json.loads((version.folder / "history.json").read_text())
    assert [record["scores"][PATIENT.monitor] for record in history] == list(SCRIPT)


def test_a_score_that_is_not_measured_cannot_stop_a_training(tmp_path):
    """Said before the first step, with the scores there are."""
    with pytest.raises(TrainingFailed) as failed:
        run(tmp_path, replace(RECIPE, patience=1, monitor="accuracy"))
    assert failed.value.received == "accuracy"
    assert "prob/intersection attribute IoU@5" in failed.value.expected


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"recipe": replace(RECIPE, learning_rate=1e-4)}, "recipe.learning_rate 0.0001"),
        ({"data": swatches(16)}, "training images.number 16"),
        ({"data": swatches(12, seed=8)}, "training images.pixels"),
        ({"data": replace(swatches(), pictures=[str(number) for number in range(12)])}, "training images.pictures"),
    ],
    ids=["recipe", "number of images", "other pixels", "other pictures"],
)
def test_a_state_of_another_training_is_refused(tmp_path, change, named):
    """What differs is named, and how to begin anew; the state stays."""
    identity = training_identity(RECIPE, swatches(), swatches(6, seed=3), TAXONOMY, None, "tensorflow")
    Checkpoints(tmp_path / "state", identity).save(STATE)
    with pytest.raises(TrainingFailed) as refused:
        run(tmp_path, change.get("recipe", RECIPE), data=change.get("data"))
    assert named in refused.value.received
    assert "--restart" in refused.value.remedy
    assert (tmp_path / "state" / "state.npz").exists()


RECORDS = (
    EpochRecord(1, 2, 0.75, {"prob/intersection attribute IoU@1": 0.5}, 10.0, 1e-3),
    EpochRecord(2, 2, 0.5, {"prob/intersection attribute IoU@1": 0.625}, 11.0, 5e-4),
)
STATE = TrainingState(
    network=(np.arange(6, dtype=np.float32).reshape(2, 3), np.array(4, np.uint32)),
    optimizer=(np.array(7, np.int64),),
    history=RECORDS,
    best_epoch=None,
)


def test_a_state_comes_back_as_it_was_saved(tmp_path):
    """Arrays with their types, the history, and the best epoch's weights; older best weights are gone."""
    checkpoints = Checkpoints(tmp_path / "state", {"recipe": {"epochs": 3}})
    assert checkpoints.load() is None
    checkpoints.save_best(1, [np.zeros(2)])
    checkpoints.save(replace(STATE, best_epoch=1))
    checkpoints.save_best(2, [np.ones(2)])
    checkpoints.save(replace(STATE, best_epoch=2))
    loaded = checkpoints.load()
    assert (loaded.history, loaded.best_epoch) == (RECORDS, 2)
    for saved, found in zip([*STATE.network, *STATE.optimizer], [*loaded.network, *loaded.optimizer], strict=True):
        assert (saved.dtype, saved.tolist()) == (found.dtype, found.tolist())
    assert checkpoints.load_best(2)[0].tolist() == [1, 1]
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == [
        "best-2.npz",
        "history.csv",
        "history.json",
        "history.png",
        "state.npz",
    ]
    checkpoints.clear()
    assert not (tmp_path / "state").exists()
    remove_state(tmp_path / "state")


def test_a_full_disk_is_said_and_leaves_the_state_before(tmp_path):
    """A file that does not fit is refused: the earlier state stays whole."""
    checkpoints = Checkpoints(tmp_path / "state", {})
    checkpoints.save(STATE)
    with files_end_at(100_000), pytest.raises(TrainingFailed) as failed:
        checkpoints.save(replace(STATE, network=(np.zeros(100_000),)))
    assert "cannot be saved" in failed.value.message
    assert "make room" in failed.value.remedy
    assert checkpoints.load().network[0].tolist() == STATE.network[0].tolist()
    assert not list((tmp_path / "state").glob("*.part"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04cut", b"no archive"])
def test_a_damaged_state_is_named(tmp_path, content):
    """No training goes on from half a file."""
    (tmp_path / "state.npz").write_bytes(content)
    with pytest.raises(TrainingFailed, match="damaged") as refused:
        Checkpoints(tmp_path, {}).load()
    assert str(tmp_path / "state.npz") in refused.value.received


def test_the_history_is_a_table_too(tmp_path):
    """One row per epoch, one column per score, empty where it was not measured; JSON gives equal records back."""
    write_history([RECORDS[0], replace(RECORDS[1], scores={})], tmp_path)
    assert (tmp_path / "history.csv").read_text().splitlines() == [
        "epoch,loss,learning_rate,images_per_second,prob/intersection attribute IoU@1",
        "1,0.75,0.001,10.0,0.5",
        "2,0.5,0.0005,11.0,",
    ]
    stored = json.loads((tmp_path / "history.json").read_text())
    assert record_from_json(stored[0]) == RECORDS[0]
    write_history([], tmp_path / "absent")
