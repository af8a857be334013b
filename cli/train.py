"""``drape train``: a model version from a merchant's own catalog."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.options import AsJson, OptionalMerchant


class Trunk(StrEnum):
    """The trunks that can be trained on."""

    VGG16 = "vgg16"
    RESNET50 = "resnet50"
    COMPACT = "compact"


class Preprocessing(StrEnum):
    """How the trunk's weights expect their pixels."""

    CAFFE = "caffe"
    TORCH = "torch"
    UNIT = "unit"


class ComputePrecision(StrEnum):
    """The number format a model version computes in."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


def train(
    version: Annotated[str, typer.Option("--name", metavar="VERSION", help="Name of the model version to make.")],
    merchant: OptionalMerchant = None,
    category: Annotated[
        str | None, typer.Option("--category", metavar="NAME", help="Train on this category level alone.")
    ] = None,
    trunk: Annotated[Trunk, typer.Option("--trunk", help="The convolutional network.")] = Trunk.RESNET50,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            help="The trunk's weights; default: the published ones, or random ones end to end.",
        ),
    ] = None,
    preprocessing: Annotated[
        Preprocessing | None,
        typer.Option("--preprocessing", help="How those weights expect their pixels; default: as published."),
    ] = None,
    end_to_end: Annotated[
        bool,
        typer.Option("--end-to-end", help="Train every layer, not only the attribute scores on a frozen trunk."),
    ] = False,
    min_count: Annotated[
        int, typer.Option("--min-count", min=1, help="Leave out attributes that fewer images have.")
    ] = 20,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Default: the recipe's own.")] = None,
    input_size: Annotated[
        int, typer.Option("--input-size", min=32, max=1024, help="Edge of the network's input in pixels.")
    ] = 224,
    precision: Annotated[
        ComputePrecision,
        typer.Option("--precision", help="What the version computes in; float32 for CPUs without bfloat16."),
    ] = ComputePrecision.BFLOAT16,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Decides split, initial weights and order.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Train a network on the attributes of an ingested catalog; then change to it with `drape reindex`."""
    from catalog.bootstrap import Application, settings_from_environment
    from catalog.services.training import TrainingRequest
    from cli.progress import progress
    from cli.search import only_merchant
    from embeddings.manifest import Precision

    with Application(settings_from_environment()) as application:
        request = TrainingRequest(
            merchant=merchant or only_merchant(application),
            version=version,
            trunk=trunk.value,
            weights=weights,
            preprocessing=None if preprocessing is None else preprocessing.value,
            category=category,
            end_to_end=end_to_end,
            min_count=min_count,
            epochs=epochs,
            input_size=input_size,
            precision=Precision(precision.value),
            seed=seed,
        )
        with progress("computing features", unit="images", quiet=as_json) as advance:
            made = application.training.train(request, advance, lambda record: typer.echo(str(record), err=True))
    if as_json:
        print(json.dumps(made.manifest.to_json(), ensure_ascii=False))
        return
    print(f"Made {made.manifest.version} in {made.folder}.")
    for name, score in made.manifest.scores.items():
        print(f"  {name} {score:.3f}")
    print(f"Change to it with: drape reindex --model {made.manifest.version} --merchant {request.merchant}")
