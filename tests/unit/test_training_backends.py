"""Training runs on Keras's JAX backend, without TensorFlow, as on it but for rounding; versions run on TensorFlow."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embeddings.keras_embedder import KerasEmbedder
from embeddings.model_store import ModelStore

REPOSITORY = Path(__file__).resolve().parents[2]

# Weights are drawn by NumPy, since the backends' own generators draw differently from the same seed.
TRAIN = """
import json, os, sys
if os.environ["KERAS_BACKEND"] == "jax":
    # As where it is not installed.
    sys.modules["tensorflow"] = None
from pathlib import Path
import numpy as np
from embeddings.backend import keras
from embeddings.model_store import ModelStore
from embeddings.networks import build
from embeddings.taxonomy import Taxonomy
from embeddings.training.augmentation import NO_AUGMENTATION, Augmentation
from embeddings.training.config import Projection, TrainingConfig
from embeddings.training.network_training import train_network
from embeddings.training.publication import Publication
from embeddings.training.rendered_images import rendered_images
from embeddings.weights import save_weights

folder, head = Path(sys.argv[1]), sys.argv[2]
data = rendered_images(4, 2, seed=3, input_size=32, num_processes=1)
model = build("compact", "multiattrib", 2, input_size=32)
random = np.random.default_rng(0)
for layer in model.layers:
    for weight in layer.weights:
        if len(weight.shape) == 4:
            weight.assign(random.normal(scale=0.1, size=weight.shape))
save_weights(model, folder / "start.weights.h5")
records, notes = [], []
version = train_network(
    # The random kernel of the scores, which each backend draws its own way, is made as small as nothing.
    # A bilinear descriptor, of length 1, moves the scores less.
    TrainingConfig(head=head, epochs=2, batch_size=8, learning_rate=1e-5 if head == "multiattrib" else 1e-3,
                   projection=Projection.ICA, projection_rank=2,
                   augmentation=NO_AUGMENTATION if head == "multiattrib" else Augmentation(),
                   initial_scores_scale=1e-6, patience=2, monitor="prob/intersection attribute IoU@1"),
    data, Taxonomy.from_items(data.attributes, 2),
    Publication(store=ModelStore(folder / "models"), version="tiny", data="rendered", command="test"),
    held_out=rendered_images(2, 2, seed=4, input_size=32, num_processes=1),
    pretrained=folder / "start.weights.h5", checkpoints=folder / "state", on_epoch=records.append, on_note=notes.append,
)
losses = [record.loss for record in records]
print(json.dumps({"backend": keras.backend.backend(), "head": head, "losses": losses, "notes": notes}))
"""


# The other backend starts in a process of its own, trains and publishes: minutes on a busy machine.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["multiattrib", "bilinear"])
def trained(request, tmp_path_factory):
    """What two steps of training gave on each backend, each in a process of its own, both at once.

    The bilinear head's projection is fitted to independent components by each, and its photos are augmented.
    """
    folders = {backend: tmp_path_factory.mktemp(backend) for backend in ("tensorflow", "jax")}
    processes = {
        backend: subprocess.Popen(
            [sys.executable, "-c", TRAIN, str(folder), request.param],
            env={**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for backend, folder in folders.items()
    }
    results = {}
    for backend, process in processes.items():
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        results[backend] = (json.loads(out.splitlines()[-1]), folders[backend])
    return results


def test_two_steps_have_the_same_loss_on_both_backends(trained):
    """One step per epoch: the first loss is of the weights as they were, the second of what the first step did."""
    assert trained["jax"][0]["backend"] == "jax"
    losses = [trained[backend][0]["losses"] for backend in ("tensorflow", "jax")]
    assert len(losses[0]) == 2
    assert losses[0][1] < losses[0][0] - 1e-3
    np.testing.assert_allclose(losses[1], losses[0], atol=1e-3)
    # Of maps of 2 × 2.
    fitted = {"multiattrib": [], "bilinear": ["The projection is fitted on 32 locations of 8 images: 0 MiB."]}
    for result, _ in trained.values():
        assert [note for note in result["notes"] if "projection" in note] == fitted[result["head"]]


def test_what_jax_trained_runs_on_tensorflow(trained):
    """The version's weights belong to no backend; features agree with those of the network that TensorFlow trained."""
    images = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    features = [
        KerasEmbedder(ModelStore(folder / "models").open("tiny"), batch_size=3).embed(images)
        for _, folder in trained.values()
    ]
    for name in features[0].keys() - {"prob"}:
        assert (features[0][name] * features[1][name]).sum(axis=1).min() > 0.999
