"""Puts a trunk and a head together into one network with named outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import keras
from keras import layers

from embeddings.networks.bilinear import bilinear_descriptor
from embeddings.networks.compact import compact_trunk
from embeddings.networks.convolutions import Convolutions, spatial_mean
from embeddings.networks.multiattrib import fully_connected
from embeddings.networks.preprocessing import PREPROCESSINGS, Preprocessing
from embeddings.networks.probabilities import ACTIVATIONS, AttributeProbabilities, Span
from embeddings.networks.resnet50 import resnet50_trunk
from embeddings.networks.vgg16 import vgg16_trunk


@dataclass(frozen=True, slots=True)
class _TrunkFacts:
    """What holds for a trunk unless the caller says otherwise."""

    input_size: int
    smallest_input: int
    preprocessing: str


_TRUNKS: Final[Mapping[str, _TrunkFacts]] = {
    "vgg16": _TrunkFacts(input_size=224, smallest_input=32, preprocessing="caffe"),
    "resnet50": _TrunkFacts(input_size=224, smallest_input=32, preprocessing="caffe"),
    "compact": _TrunkFacts(input_size=128, smallest_input=16, preprocessing="torch"),
}
TRUNKS: Final = tuple(_TRUNKS)
HEADS: Final = ("multiattrib", "bilinear")
_POLICIES: Final = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
_FC_UNITS: Final = 4096


def default_input_size(trunk: str) -> int:
    """Edge of the trunk's usual square input, in pixels."""
    _require_one_of("trunk", trunk, TRUNKS)
    return _TRUNKS[trunk].input_size


def default_preprocessing(trunk: str) -> str:
    """The convention of the weights that Keras publishes for the trunk, or that Drape trains."""
    _require_one_of("trunk", trunk, TRUNKS)
    return _TRUNKS[trunk].preprocessing


def build(
    trunk: str,
    head: str,
    num_attributes: int,
    *,
    input_size: int | None = None,
    preprocessing: str | None = None,
    activation: str = "sigmoid",
    exclusive: Sequence[Span] = (),
    projection_rank: int = 20,
    train_projection: bool = False,
    bilinear_normalization: bool = True,
    dropout: float = 0.5,
    precision: str = "float32",
    folded: bool = False,
    width: float = 1.0,
) -> keras.Model:
    """A Keras model with random weights: images in, a dict of named features, ``scores`` and ``prob`` out.

    The input is (n, S, S, 3), RGB in 0..255, uint8 or float; preprocessing is the network's first layer. Every output
    is (n, size) float32 whatever the precision:

    ========== ================== =====================================================================
    output     size               of
    ========== ================== =====================================================================
    fc6, fc7   4096               vgg16 + multiattrib: the fully connected layers, after ReLU
    pool       512 vgg16,         every other network: mean of the feature map over all locations
               2048 resnet50,     (compact: of three feature maps, 48 + 96 + 240)
               384 compact
    bilinear   C · rank           bilinear heads: 10240 for vgg16, 40960 for resnet50, 4800 for compact;
                                  signed square root and unit length, as the layer of scores reads it
                                  (neither with ``bilinear_normalization=False``)
    scores     K                  raw, any real number: what the loss is computed on
    prob       K                  ``activation`` of the scores
    ========== ================== =====================================================================

    Args:
        trunk: ``vgg16``, ``resnet50`` or ``compact``.
        head: ``multiattrib`` or ``bilinear``. The bilinear head leaves out VGG16's pool5.
        num_attributes: K, at least 1.
        input_size: S, the edge of the input in pixels; None is the trunk's usual one (224, compact 128).
        preprocessing: ``caffe``, ``torch`` or ``unit``; None is the trunk's usual one (``caffe``, compact ``torch``).
        activation: How scores become ``prob``: ``sigmoid`` for several attributes per item, ``softmax`` for one of all,
            ``groups`` for one of each of some groups (see ``probabilities.attribute_probabilities``).
        exclusive: With ``groups``, where those groups stand among the K attributes.
        projection_rank: Columns of the bilinear head's projection.
        train_projection: Whether training changes the projection.
        bilinear_normalization: Signed square root and unit length of the bilinear descriptor; without them it is the
            mean over locations as it is.
        dropout: Share of units left out in training, after fc6 and fc7; other networks have none.
        precision: ``float32``, or ``bfloat16`` to compute in it with weights kept in float32.
        folded: Leave batch normalisation out of the structure: ``load_weights`` and ``load_pretrained`` fold its
            constants into the convolutions. For inference, and for fine-tuning pretrained weights with the
            statistics they came with; random weights do not train well without batch normalisation.
        width: Share of the channels of vgg16 and resnet50, and of fc6 and fc7, for quick tests.

    Raises:
        ValueError: an argument is outside what is listed here.
    """
    _require_one_of("trunk", trunk, TRUNKS)
    _require_one_of("head", head, HEADS)
    _require_one_of("activation", activation, ACTIVATIONS)
    _require_one_of("precision", precision, tuple(_POLICIES))
    facts = _TRUNKS[trunk]
    size = facts.input_size if input_size is None else input_size
    mode = facts.preprocessing if preprocessing is None else preprocessing
    _require_one_of("preprocessing", mode, PREPROCESSINGS)
    _require_at_least("num_attributes", num_attributes, 1)
    _require_at_least("projection_rank", projection_rank, 1)
    _require_at_least("input_size", size, facts.smallest_input)
    policy = _POLICIES[precision]

    images = keras.Input((size, size, 3), dtype="float32", name="images")
    x = Preprocessing(mode, name="preprocessing")(images)
    outputs: dict[str, keras.KerasTensor] = {}
    pooled: keras.KerasTensor = None
    if trunk == "vgg16":
        feature_map = vgg16_trunk(x, Convolutions(policy), last_pool=head == "multiattrib", width=width)
    elif trunk == "resnet50":
        # The constants of Keras's ResNet-50.
        style = Convolutions(policy, folded=folded, momentum=0.99, bias_before_norm=True)
        feature_map = resnet50_trunk(x, style, width=width)
    else:
        feature_map, pooled = compact_trunk(x, Convolutions(policy, folded=folded))

    if trunk == "vgg16" and head == "multiattrib":
        fc6, fc7, read_by_scores = fully_connected(
            feature_map, units=int(_FC_UNITS * width), dropout=dropout, policy=policy
        )
        outputs |= {"fc6": fc6, "fc7": fc7}
    else:
        read_by_scores = spatial_mean(feature_map, "pool") if pooled is None else pooled
        outputs["pool"] = read_by_scores
        if head == "bilinear":
            read_by_scores = bilinear_descriptor(
                feature_map, projection_rank, trainable=train_projection, normalize=bilinear_normalization
            )
            outputs["bilinear"] = read_by_scores
    # In float32: the loss compares scores by their differences, which bfloat16 would round away.
    outputs["scores"] = layers.Dense(num_attributes, dtype="float32", name="scores")(read_by_scores)
    outputs["prob"] = AttributeProbabilities(activation, exclusive, name="prob")(outputs["scores"])
    return keras.Model(images, outputs, name=f"{trunk}_{head}")


def _require_one_of(what: str, received: str, known: tuple[str, ...]) -> None:
    if received not in known:
        raise ValueError(f"unknown {what} {received!r}, expected one of {', '.join(known)}")


def _require_at_least(what: str, received: int, smallest: int) -> None:
    if received < smallest:
        raise ValueError(f"{what} needs at least {smallest}, received {received}")
