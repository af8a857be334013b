"""What happens around the steps of a training: watching the loss, measuring, saving, stopping early, telling."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import numpy as np

from embeddings.backend import keras
from embeddings.errors import TrainingFailed
from embeddings.training.batches import TrainingBatches
from embeddings.training.checkpoints import Arrays, Checkpoints, TrainingState
from embeddings.training.config import TrainingConfig
from embeddings.training.divergence import diverged, require_finite
from embeddings.training.labelled_images import LabelledImages
from embeddings.training.measurement import RANKS_WHILE_TRAINING, Measurement
from embeddings.training.progress import EpochCallback, EpochRecord, PhaseCallback


class EpochReport(keras.callbacks.Callback):
    """Measures after every epoch, saves the state, tells the caller, and ends the training where it must.

    Args:
        network: The network with all its outputs.
        config: The recipe.
        data: The training images, for their number.
        measurement: What is measured on held-out images; None is nothing.
        checkpoints: Where states are saved, if they are.
        state: The state to go on from; None begins anew.
        on_epoch, on_phase: The caller's.
    """

    def __init__(
        self,
        network: keras.Model,
        config: TrainingConfig,
        data: LabelledImages,
        measurement: Measurement | None,
        checkpoints: Checkpoints | None,
        state: TrainingState | None,
        on_epoch: EpochCallback,
        on_phase: PhaseCallback,
    ) -> None:
        super().__init__()
        self._network = network
        self._config = config
        self._batch_size = min(config.batch_size, len(data))
        self._num_images = len(data) // self._batch_size * self._batch_size
        self._measurement = measurement
        self._checkpoints = checkpoints
        self._state = state
        self._on_epoch = on_epoch
        self._on_phase = on_phase
        self._batches: TrainingBatches | None = None
        self._epoch = 0
        self._started = 0.0
        self._best_weights: Arrays = ()
        self.history: tuple[EpochRecord, ...] = () if state is None else state.history
        self.best_epoch: int | None = None if state is None else state.best_epoch

    def take_up(self, trained: keras.Model, batches: TrainingBatches) -> None:
        """Bring the network and its optimizer to where the training stopped, if it did."""
        self._batches = batches
        if self._state is None:
            return
        trained.optimizer.build(trained.trainable_variables)
        _assign(self._network, self._state.network)
        for variable, value in zip(trained.optimizer.variables, self._state.optimizer, strict=True):
            variable.assign(value)
        if self.best_epoch is not None and self._checkpoints is not None:
            self._best_weights = self._checkpoints.load_best(self.best_epoch)

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing left to train: all epochs are done, or the last ones brought nothing."""
        num_done = len(self.history)
        patience = self._config.patience
        stale = patience is not None and self.best_epoch is not None and num_done - self.best_epoch >= patience
        return num_done >= self._config.epochs or stale

    def restore_best(self) -> None:
        """Give the network the weights of its best epoch."""
        _assign(self._network, self._best_weights)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:  # noqa: ARG002  Keras's signature.
        self._epoch = epoch
        if self._batches is not None:
            # Told rather than counted: Keras looks into a data set before the first epoch, and a resumed training
            # begins with another than the first.
            self._batches.start_epoch(epoch)
        self._started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        # The mean over the epoch so far, which stays NaN once it is.
        loss = float((logs or {})["loss"])
        if not math.isfinite(loss):
            raise self._diverged(f"{loss} at step {batch + 1} of epoch {self._epoch + 1}")
        done = min((batch + 1) * self._batch_size, self._num_images)
        self._on_phase(f"epoch {self._epoch + 1}/{self._config.epochs}", done, self._num_images)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        seconds = time.perf_counter() - self._started
        scores = {}
        try:
            # A state is saved of good weights only.
            require_finite(_values(self._network.variables), f"the weights after epoch {epoch + 1}")
            if self._measurement is not None:
                scores = self._measurement(RANKS_WHILE_TRAINING, self._on_phase)
        except TrainingFailed as error:
            raise self._diverged(f"{error.received}") from error
        record = EpochRecord(
            epoch=epoch + 1,
            num_epochs=self._config.epochs,
            loss=float((logs or {})["loss"]),
            scores=scores,
            images_per_second=self._num_images / seconds,
            learning_rate=float(self.model.optimizer.learning_rate),
        )
        self.history = (*self.history, record)
        self._keep_best(record)
        self._save()
        self._on_epoch(record)
        if self.is_finished:
            self.model.stop_training = True

    def _keep_best(self, record: EpochRecord) -> None:
        if self._config.patience is None:
            return
        monitor = self._config.monitor
        if self.best_epoch is None or record.scores[monitor] > self.history[self.best_epoch - 1].scores[monitor]:
            self.best_epoch = record.epoch
            self._best_weights = _values(self._network.variables)
            if self._checkpoints is not None:
                self._checkpoints.save_best(record.epoch, self._best_weights)

    def _save(self) -> None:
        if self._checkpoints is not None:
            network, optimizer = _values(self._network.variables), _values(self.model.optimizer.variables)
            self._checkpoints.save(TrainingState(network, optimizer, self.history, self.best_epoch))

    def _diverged(self, found: str) -> TrainingFailed:
        kept = "none: save states to have one"
        if self._checkpoints is not None:
            kept = f"epoch {len(self.history)} in {self._checkpoints.folder}" if self.history else "none before epoch 1"
        return diverged(f"{found}; last good state: {kept}")


def _values(variables: list[keras.Variable]) -> Arrays:
    return [np.array(variable.numpy()) for variable in variables]


def _assign(network: keras.Model, values: Arrays) -> None:
    for variable, value in zip(network.variables, values, strict=True):
        variable.assign(value)
