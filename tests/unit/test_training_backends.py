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
from embeddings.training.augmentation import NO_AUGMENTATION
from embeddings.training.config import TrainingConfig
from embeddings.training.network_training import train_network
from embeddings.training.publication import Publication
from embeddings.training.rendered_images import rendered_images
from embeddings.weights import save_weights

folder = Path(sys.argv[1])
data = rendered_images(4, 2, seed=3, input_size=32, num_processes=1)
model = build("compact", "multiattrib", 2, input_size=32)
random = np.random.default_rng(0)
for layer in model.layers:
    for weight in layer.weights:
        if len(weight.shape) == 4:
            weight.assign(random.normal(scale=0.1, size=weight.shape))
save_weights(model, folder / "start.weights.h5")
records = []
version = train_network(
    # The random kernel of the scores, which each backend draws its own way, is made as small as nothing.
    TrainingConfig(epochs=2, batch_size=8, learning_rate=1e-5, augmentation=NO_AUGMENTATION,
                   initial_scores_scale=1e-6, patience=2, monitor="prob/intersection attribute IoU@1"),
    data, Taxonomy.from_items(data.attributes, 2),
    Publication(store=ModelStore(folder / "models"), version="tiny", data="rendered", command="test"),
    held_out=rendered_images(2, 2, seed=4, input_size=32, num_processes=1),
    pretrained=folder / "start.weights.h5", checkpoints=folder / "state", on_epoch=records.append,
)
print(json.dumps({"backend": keras.backend.backend(), "losses": [record.loss for record in records]}))
"""


# The other backend starts in a process of its own, trains and publishes: minutes on a busy machine.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What two steps of training gave on each backend, each in a process of its own, both at once."""
    folders = {backend: tmp_path_factory.mktemp(backend) for backend in ("tensorflow", "jax")}
    processes = {
        backend: subprocess.Popen(
            [sys.executable, "-c", TRAIN, str(folder)],
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


def test_what_jax_trained_runs_on_tensorflow(trained):
    """The version's weights belong to no backend; features agree with those of the network that TensorFlow trained."""
    images = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    pools = [
        KerasEmbedder(ModelStore(folder / "models").open("tiny"), batch_size=3).embed(images)["pool"]
        for _, folder in trained.values()
    ]
    assert (pools[0] * pools[1]).sum(axis=1).min() > 0.999
