"""Recipes that were tried: each the whole configuration, the command that runs it, what it costs and what it scored.

Scores stand here only where they were measured with exactly these numbers. Every number is a field of
``TrainingConfig``; whoever changes one has another recipe, and the manifest of what comes out says which. The default
recipe, ``frozen``, trains no layer but that of the scores and stands at ``HeadTrainingConfig``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from embeddings.manifest import Precision
from embeddings.normalization import Normalization
from embeddings.training.augmentation import NO_AUGMENTATION, Augmentation
from embeddings.training.config import AUTO_ACTIVATION, Projection, Schedule, TrainingConfig


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named way to train all layers.

    Args:
        config: The numbers.
        input_size: Edge of the network's input in pixels.
        pretrained: Whether the trunk starts from weights that know something already. Then it is trained with its
            batch normalisation folded (see ``network_training.train_network``).
    """

    config: TrainingConfig
    input_size: int
    pretrained: bool


PAPER: Final = Recipe(
    TrainingConfig(
        trunk="vgg16",
        activation="softmax",
        projection=Projection.ICA,
        projection_rank=20,
        train_projection=False,
        balanced_projection=False,
        bilinear_normalization=False,
        prob_normalization=Normalization.L2,
        calibrate=False,
        epochs=14,
        batch_size=16,
        learning_rate=1e-5,
        schedule=Schedule.CONSTANT,
        warm_up=0.0,
        weight_decay=0.0,
        compute_precision=Precision.FLOAT32,
        augmentation=NO_AUGMENTATION,
    ),
    input_size=224,
    pretrained=True,
)
"""The paper to the letter: VGG16 from ImageNet, Adam at a constant 1e-5, batches of 16, 14 epochs.

    drape train --recipe paper --name NAME --dataset inshop:FOLDER --category Dresses
    drape train --recipe paper --name NAME --dataset inshop:FOLDER --category Dresses --head bilinear

Where the paper says nothing, nothing is added: no augmentation, not even mirrored images, no signed root and no unit
length in the bilinear layer, no calibration. ``prob`` is softmax, as VGG's published code calls it; the projection is
fixed ICA.

Expected, from the paper's Table I and not measured here: precision@1 / 5 / 10 among In-shop's dresses .74 / .36 / .22
by ``fc6`` and attribute IoU@1 .81; of the bilinear head .70 / .37 / .23 by its descriptor, .69 / .39 / .24 by ``prob``.

Cost: about 3 forward passes per image; VGG16's forward pass alone takes 0.15 s per image on two CPU cores in float32,
so 10,000 images and 14 epochs are some 17 hours there: a recipe for an accelerator.
"""


SMALL: Final = Recipe(
    TrainingConfig(
        trunk="resnet50",
        activation=AUTO_ACTIVATION,
        loss_within_groups=True,
        projection=Projection.ICA,
        bilinear_normalization=False,
        epochs=9,
        batch_size=32,
        learning_rate=2e-4,
        schedule=Schedule.COSINE,
        warm_up=0.06,
        weight_decay=0.02,
        initial_scores_scale=0.1,
        compute_precision=Precision.BFLOAT16,
        augmentation=Augmentation(
            scale=0.35,
            shift=0.1,
            rotation=15,
            flip=0.5,
            exposure=0.15,
            cast=0.04,
            saturation=0.1,
            softness=0.08,
            erasing=0.25,
        ),
    ),
    input_size=160,
    pretrained=True,
)
"""Some hundred to some ten thousand photos and a pretrained trunk: the better default for catalogs.

    drape train --recipe small --name NAME --merchant MERCHANT
    drape train --recipe small --name NAME --dataset table:labels.csv

Against the paper's: a rate 20 times higher that warms up and falls along a cosine, decoupled weight decay, and images
changed so strongly that none is seen twice. Colours are nearly left alone, because they are attributes; where they are
not, as among patterns, ``--vary-colors`` changes them strongly, too (``with_varied_colors``).

The loss compares a true colour with other colours only, where photos have one colour each (``grouped_lsep_loss``). On
587 held-out photos of shirts, tops, dresses and kurtas that raised the attribute IoU of ``pool`` at 1 / 5 / 10 from
.580 / .539 / .517 to .621 / .592 / .569 (``embeddings/results/README.md``).

Expected, on 2,990 held-out catalog photos after 9 epochs on 6,656 at 96 px: attribute IoU@1 / 5 / 10 .604 / .581 /
.563 by intersection of ``prob`` (ImageNet's ``pool``: .538 / .498 / .478), the colour right at 1 for .558 (.359).

Cost: ResNet-50 trains 22 images/s on two CPU cores, at 160 px in bfloat16 or at 96 px in float32.
"""


SCRATCH: Final = Recipe(
    TrainingConfig(trunk="compact", activation=AUTO_ACTIVATION),
    input_size=128,
    pretrained=False,
)
"""The compact network from random weights: no download, no pretrained trunk.

    drape train --recipe scratch --name NAME --merchant MERCHANT

``python -m embeddings.training.compact`` makes the shipped version with the same numbers but batches of 16, 10 epochs
and bfloat16, from 9,000 rendered images: 24 minutes on two CPU cores. Expected on 300 items that it has not seen: the
same item at 1 for .999 of the photos by ``pool``, attribute IoU@1 among other items .338 by ``prob`` (labels: .437).
"""


def with_varied_colors(config: TrainingConfig) -> TrainingConfig:
    """The recipe with colours changed strongly, for attributes that do not depend on them."""
    return replace(config, augmentation=replace(config.augmentation, exposure=0.3, cast=0.3, saturation=0.8))


_BILINEAR_WARM_UP: Final = 0.25


def with_bilinear_head(config: TrainingConfig) -> TrainingConfig:
    """The recipe for a bilinear head: where the rate warms up, it does so over a quarter of the training.

    With 6 %, one of two trainings onto 20 components tore the trunk apart in its first epoch and ended at an attribute
    IoU@1 / 5 / 10 of .549 / .514 / .502 by ``pool``; with a quarter, the same one ended at .612 / .590 / .573
    (``embeddings/results/README.md``).
    """
    longer = max(config.warm_up, _BILINEAR_WARM_UP) if config.warm_up else 0.0
    return replace(config, head="bilinear", warm_up=longer)


RECIPES: Final[Mapping[str, Recipe]] = {"small": SMALL, "paper": PAPER, "scratch": SCRATCH}
