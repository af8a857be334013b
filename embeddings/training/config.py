"""Training recipes as values. A recipe and the data decide a network, up to the rounding of the machine."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from enum import StrEnum

from embeddings.manifest import Precision
from embeddings.normalization import Normalization
from embeddings.training.augmentation import Augmentation


class Schedule(StrEnum):
    """How the learning rate runs over the steps: as it is, or warmed up and then lowered along a cosine to zero."""

    CONSTANT = "constant"
    COSINE = "cosine"


class Projection(StrEnum):
    """Where a bilinear head's projection starts: independent or principal components of the training set's feature
    maps, or an orthonormal basis that knows nothing of them."""

    ICA = "ica"
    PCA = "pca"
    ORTHONORMAL = "orthonormal"


AUTO_ACTIVATION = "auto"
"""Stands for the activation that suits the labels; see ``activation_for``."""

DEFAULT_MONITOR = "prob/intersection attribute IoU@5"


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How a network is trained end to end, with the LSEP loss and Adam. Defaults: from random weights.

    Args:
        trunk, head, preprocessing, projection_rank, train_projection, bilinear_normalization: As
            ``embeddings.networks.build`` takes them; None is the network's own default. Only bilinear heads have a
            projection and its normalisation; others leave these numbers unused.
        activation: ``sigmoid``, ``softmax``, ``groups``, or ``auto``, which goes by the labels (``activation_for``).
        loss_within_groups: Compare an image's scores with those of the same group only, where groups share a softmax
            and hold most of what images have (``loss_scope.loss_for``).
        prob_normalization: How ``prob`` is scaled before it is compared.
        calibrate: Whether scores are calibrated after training (``calibration.fit_scales``).
        projection: What the bilinear head's projection starts as.
        projection_locations: How many locations of feature maps it is fitted on, at the most.
        balanced_projection: Whether it is scaled so that scores learn as fast as from pooled features
            (``projection_start.start_projection``).
        frozen_stages: How many of the trunk's five stages stay untrained, from the image on.
        epochs: How often every training image is seen.
        batch_size: Images per step.
        learning_rate: The highest the schedule reaches. For a trunk with ImageNet weights, 1e-5 as in the paper.
        schedule: ``cosine`` for training from random weights.
        warm_up: Share of all steps over which ``cosine`` raises the rate from zero.
        weight_decay: Decoupled (AdamW), on kernels only; 0 is plain Adam.
        initial_scores_scale: The random kernel of the layer of scores is multiplied by it. Well below 1, a pretrained
            trunk is not torn about while that layer is still guessing.
        compute_precision: What the training computes in; weights are float32 either way.
        augmentation: How far training images are changed.
        repeat_threshold: Images of attributes that a smaller share of the images has come more often; 0 takes every
            image once an epoch (see ``embeddings.training.repetition``).
        patience: Stop after so many epochs in which ``monitor`` did not rise, and keep the best epoch's weights; None
            trains all epochs and keeps the last.
        monitor: The score of held-out images that decides which epoch is best.
        seed: Decides initial weights, order and augmentation.

    Raises:
        ValueError: a number is outside its range.
    """

    trunk: str = "compact"
    head: str = "multiattrib"
    activation: str = "sigmoid"
    loss_within_groups: bool = False
    prob_normalization: Normalization = Normalization.L1
    calibrate: bool = True
    preprocessing: str | None = None
    projection_rank: int = 20
    projection: Projection = Projection.ORTHONORMAL
    projection_locations: int = 200_000
    balanced_projection: bool = True
    train_projection: bool = False
    bilinear_normalization: bool = True
    frozen_stages: int = 0
    epochs: int = 14
    batch_size: int = 32
    learning_rate: float = 2e-3
    schedule: Schedule = Schedule.COSINE
    warm_up: float = 0.05
    weight_decay: float = 1e-4
    initial_scores_scale: float = 1.0
    compute_precision: Precision = Precision.FLOAT32
    augmentation: Augmentation = field(default_factory=Augmentation)
    repeat_threshold: float = 0.0
    patience: int | None = None
    monitor: str = DEFAULT_MONITOR
    seed: int = 0

    def __post_init__(self) -> None:
        _require(self.epochs >= 1, "epochs must be at least 1", self.epochs)
        _require(self.batch_size >= 1, "batch_size must be at least 1", self.batch_size)
        _require(self.learning_rate > 0, "learning_rate must be above 0", self.learning_rate)
        _require(0 <= self.warm_up < 1, "warm_up must lie in [0, 1)", self.warm_up)
        _require(self.projection_rank >= 1, "projection_rank must be at least 1", self.projection_rank)
        _require(self.projection_locations >= 1, "projection_locations must be at least 1", self.projection_locations)
        _require(0 <= self.frozen_stages <= 5, "frozen_stages must lie between 0 and 5", self.frozen_stages)
        _require(self.initial_scores_scale > 0, "initial_scores_scale must be above 0", self.initial_scores_scale)
        _require(0 <= self.repeat_threshold <= 1, "repeat_threshold must lie in [0, 1]", self.repeat_threshold)
        _require(self.patience is None or self.patience >= 1, "patience must be at least 1", self.patience or 0)
        _require(self.weight_decay >= 0, "weight_decay must not be negative", self.weight_decay)
        _require(self.seed >= 0, "seed must not be negative", self.seed)

    def to_json(self) -> dict[str, object]:
        """The recipe as JSON-serialisable values, for the manifest."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class HeadTrainingConfig:
    """How the layer of scores is trained on the features of a frozen trunk: the recipe ``frozen``, the default.

        drape train --name NAME --merchant MERCHANT
        drape train --name NAME --dataset table:labels.csv

    The command's activation is ``auto``, and its input 224 px.

    Expected, on the held-out tenth of 10,000 catalog photos of 60 × 80 px with 103 attributes: attribute IoU@1 / 5 / 10
    .529 / .498 / .477 by intersection of ``prob`` (ImageNet's ``pool``: .515 / .465 / .437). That was measured before
    three defaults changed: with sigmoids, the loss over all attributes, and ``prob`` of unit length. What the loss
    within groups adds stands below.

    Cost: one forward pass per image; those 10,000 took 7.8 minutes on two CPU cores. No state is saved on the way.

    Args:
        trunk: The trunk, whose weights are given separately.
        preprocessing: The convention those weights were trained with; None is the trunk's own default.
        activation: How scores become ``prob``.
        prob_normalization: How ``prob`` is scaled before it is compared.
        loss_within_groups: As in ``TrainingConfig``. On 587 held-out photos it raised the attribute IoU
            of ``prob`` by intersection at 1 / 5 / 10 from .539 / .531 / .519 to .559 / .536 / .529.
        epochs, batch_size, learning_rate: Of the linear layer alone, with a cosine schedule.
        weight_decay: Decoupled (AdamW). Strong, because thousands of features against hundreds of images per attribute
            would otherwise be learnt by heart: a weight that nothing supports shrinks by 3 % with every step.
        seed: Decides initial weights and order.

    Raises:
        ValueError: a number is outside its range.
    """

    trunk: str = "resnet50"
    preprocessing: str | None = None
    activation: str = "sigmoid"
    prob_normalization: Normalization = Normalization.L1
    loss_within_groups: bool = True
    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        _require(self.epochs >= 1, "epochs must be at least 1", self.epochs)
        _require(self.batch_size >= 1, "batch_size must be at least 1", self.batch_size)
        _require(self.learning_rate > 0, "learning_rate must be above 0", self.learning_rate)
        _require(self.weight_decay >= 0, "weight_decay must not be negative", self.weight_decay)
        _require(self.seed >= 0, "seed must not be negative", self.seed)

    def to_json(self) -> dict[str, object]:
        """The recipe as JSON-serialisable values, for the manifest."""
        return dataclasses.asdict(self)


def _require(holds: bool, rule: str, received: float) -> None:
    if not holds:
        raise ValueError(f"{rule}, received {received}")
