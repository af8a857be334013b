"""The networks: a trunk that makes feature maps, a head that makes features, scores and ``prob``.

Importing this package imports Keras and its backend.
"""

from embeddings.networks.assembly import HEADS, TRUNKS, build, default_input_size, default_preprocessing
from embeddings.networks.bilinear import feature_map_network, projection, set_projection
from embeddings.networks.preprocessing import PREPROCESSINGS
from embeddings.networks.probabilities import ACTIVATIONS, Span, attribute_probabilities
from embeddings.networks.stages import NUM_STAGES, freeze_stages

__all__ = [
    "ACTIVATIONS",
    "HEADS",
    "NUM_STAGES",
    "PREPROCESSINGS",
    "TRUNKS",
    "Span",
    "attribute_probabilities",
    "build",
    "default_input_size",
    "default_preprocessing",
    "feature_map_network",
    "freeze_stages",
    "projection",
    "set_projection",
]
