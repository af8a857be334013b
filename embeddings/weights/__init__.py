"""Weights files: Keras's published ones, other networks' as a start, and Drape's own, checked before they are used."""

from embeddings.weights.digest import file_sha256
from embeddings.weights.own import load_weights, save_weights
from embeddings.weights.pretrained import PretrainedLayers, load_pretrained
from embeddings.weights.published import PUBLISHED, PublishedWeights, download_published

__all__ = [
    "PUBLISHED",
    "PretrainedLayers",
    "PublishedWeights",
    "download_published",
    "file_sha256",
    "load_pretrained",
    "load_weights",
    "save_weights",
]
