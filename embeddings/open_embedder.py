"""The embedder that a model version needs: Keras for float32 and bfloat16, LiteRT for int8."""

from __future__ import annotations

from collections.abc import Callable

from embeddings.batch_size import USUAL_BATCH_SIZE
from embeddings.embedder import Embedder, MeasurableEmbedder
from embeddings.manifest import Precision
from embeddings.model_store import ModelVersion
from embeddings.postprocessing.stored_whitening import load_whitening
from embeddings.whitened_embedder import WhitenedEmbedder


def open_embedder(
    model: ModelVersion,
    *,
    precision: Precision | None = None,
    batch_size: int = USUAL_BATCH_SIZE,
    choose_batch_size: Callable[[MeasurableEmbedder], None] | None = None,
) -> Embedder:
    """A version, loaded to run.

    Args:
        model: The version on disk; the hashes of what is loaded are checked.
        precision: What to compute in; None is the manifest's. Another than the manifest's changes ``version``.
        batch_size: Images per call of Keras's networks.
        choose_batch_size: Given these networks once they are loaded, to set another.

    Raises:
        UnusableModel: the version cannot run in this precision, or contradicts its manifest.
        UnusableWeights: a file is missing, altered, or made for another network.
        ValueError: the batch size is below 1.
    """
    whitening = load_whitening(model)
    networks = _networks(model, precision, batch_size, choose_batch_size)
    return networks if whitening is None else WhitenedEmbedder(networks, whitening)


def _networks(
    model: ModelVersion,
    precision: Precision | None,
    batch_size: int,
    choose_batch_size: Callable[[MeasurableEmbedder], None] | None,
) -> Embedder:
    # Each is imported where it is needed: TensorFlow takes seconds, and int8 does without it.
    if (model.manifest.precision if precision is None else precision) is Precision.INT8:
        from embeddings.litert_embedder import LiteRtEmbedder

        return LiteRtEmbedder(model)
    from embeddings.keras_embedder import KerasEmbedder

    embedder = KerasEmbedder(model, precision=precision, batch_size=batch_size)
    if choose_batch_size is not None:
        choose_batch_size(embedder)
    return embedder
