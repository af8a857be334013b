"""Makes ``compact-rendered``, the model version that comes with Drape: python -m embeddings.training.compact --replace

Draws a catalog, trains the compact trunk on its attributes from random weights, measures on items it has never seen,
and writes the version with weights, hash and scores. Identities are never trained on, only measured with.
"""

from __future__ import annotations

import argparse
import shlex
import time
from pathlib import Path

from embeddings.manifest import Precision
from embeddings.model_store import SHIPPED_FOLDER, ModelStore
from embeddings.taxonomy import Taxonomy
from embeddings.training.config import TrainingConfig
from embeddings.training.rendered_images import rendered_images

VERSION = "compact-rendered"


def main(arguments: list[str] | None = None) -> None:
    """Make the version as the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m embeddings.training.compact", description=__doc__)
    parser.add_argument("--output", type=Path, default=SHIPPED_FOLDER, help="the store to add the version to")
    parser.add_argument("--version", default=VERSION, help="its name there")
    parser.add_argument("--replace", action="store_true", help="take the place of a version of that name")
    parser.add_argument("--items", type=int, default=3000, help="drawn items to train on")
    parser.add_argument("--views", type=int, default=3, help="views of each")
    parser.add_argument("--held-out-items", type=int, default=300, help="drawn items to measure on")
    parser.add_argument("--min-items", type=int, default=5, help="leave out attributes that fewer items have")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--weight-decay", type=float, default=1e-4)
    parser.add_argument("--compute-precision", type=Precision, default=Precision.BFLOAT16)
    parser.add_argument("--input-size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1, help="of drawing and training; held-out items use the next")
    options = parser.parse_args(arguments)

    started = time.perf_counter()
    data = rendered_images(options.items, options.views, seed=options.seed, input_size=options.input_size)
    held_out = rendered_images(
        options.held_out_items, options.views, seed=options.seed + 1, input_size=options.input_size
    )
    print(f"drew {len(data) + len(held_out):,} images in {time.perf_counter() - started:.0f} s", flush=True)
    # Here and not at the top: the processes that draw import this module too, and have no use for TensorFlow.
    from embeddings.training.network_training import train_network
    from embeddings.training.publication import Publication

    taxonomy = Taxonomy.from_items(data.attributes, min_count=options.min_items * options.views)
    # Where the version is written to is no part of how it is made.
    recipe = {name: value for name, value in vars(options).items() if name not in ("output", "version", "replace")}
    given = [f"--{name.replace('_', '-')}={value}" for name, value in recipe.items()]
    version = train_network(
        TrainingConfig(
            epochs=options.epochs,
            batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
            compute_precision=options.compute_precision,
            seed=options.seed,
        ),
        data,
        taxonomy,
        Publication(
            store=ModelStore(options.output),
            version=options.version,
            data=(
                f"rendered catalog, seed {options.seed}: {options.items} items in {options.views} views; held out: "
                f"seed {options.seed + 1}, {options.held_out_items} items in {options.views} views"
            ),
            command=shlex.join(["python", "-m", "embeddings.training.compact", *given]),
            replace=options.replace,
            float16_weights=True,
        ),
        held_out=held_out,
        on_epoch=lambda record: print(record, flush=True),
    )
    for name, score in version.manifest.scores.items():
        print(f"{name} {score:.3f}")
    print(f"wrote {version.folder} after {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
