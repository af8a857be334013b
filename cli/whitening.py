"""``drape model whiten``: a model version that searches by fewer, whitened components."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from cli.command_line import command_line
from cli.image_sources import dataset_options
from cli.options import AsJson, DatasetChoices, OptionalMerchant


class WhitenedFeature(StrEnum):
    """What may be whitened and searched by."""

    FC6 = "fc6"
    POOL = "pool"
    BILINEAR = "bilinear"


def whiten_version(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A model version.")],
    name: Annotated[str, typer.Option("--name", metavar="VERSION", help="Name of the model version to make.")],
    size: Annotated[
        int, typer.Option("--size", min=1, metavar="N", help="Components of the vectors that are searched by looks.")
    ],
    merchant: OptionalMerchant = None,
    category: Annotated[
        str | None, typer.Option("--category", metavar="NAME", help="Fit on photos of this category alone.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", metavar="KIND:PATH", help="Fit on the gallery of a data set, not on a catalog."),
    ] = None,
    dataset_option: DatasetChoices = None,
    feature: Annotated[
        WhitenedFeature | None,
        typer.Option("--feature", help="What to whiten and search by; default: what the version searches by."),
    ] = None,
    shrinkage: Annotated[
        float,
        typer.Option(
            "--shrinkage",
            min=0,
            max=0.99,
            help="Draw variances towards their mean: from 0, every component counts alike, to nearly 1, PCA alone.",
        ),
    ] = 0.05,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Decides which photos it is fitted on.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Make a model version with PCA-whitened vectors, fitted on photos; then change to it with `drape reindex`.

    It helps some networks and hurts others: `drape evaluate --whiten N` tells beforehand. At most 2²⁵ numbers are
    sampled, 16,384 photos of 2,048 components, in about 1 GB of memory.
    """
    from catalog.bootstrap import Application, settings_from_environment
    from catalog.errors import InvalidRequest
    from catalog.services.models.evaluation import read_from_path
    from catalog.services.models.stored_photos import BROKEN_IMAGE_REMEDY
    from cli.progress import progress
    from cli.search import only_merchant
    from embeddings.datasets.open_dataset import open_dataset
    from embeddings.datasets.photos import BROKEN_FILE_REMEDY, DatasetPhotos
    from embeddings.export.whitened_version import WhiteningRequest, whiten, whitenable_feature

    if dataset is not None and merchant is not None:
        raise InvalidRequest(
            "There are two sources of photos to whiten with",
            received=f"--merchant {merchant} and --dataset {dataset}",
            expected="one of them",
        )
    options = dataset_options(dataset, dataset_option, category=category)
    request = WhiteningRequest(name, size, None if feature is None else feature.value, shrinkage, seed)
    with Application(settings_from_environment()) as application:
        model = application.model_store.open(version)
        application.model_store.require_free(name)
        # Before photos are looked for, which may take a while.
        whitenable_feature(model.manifest, request)
        if dataset is None:
            whose = merchant or only_merchant(application)
            opened = application.catalog_datasets.read(whose, category)
            read, remedy = application.catalog_datasets.image_bytes, BROKEN_IMAGE_REMEDY
        else:
            whose = "MERCHANT"
            opened, read, remedy = open_dataset(dataset, options), read_from_path, BROKEN_FILE_REMEDY
        photos = DatasetPhotos(
            opened.gallery,
            model.manifest.input_size,
            max_pixels=application.settings.max_image_pixels,
            read=read,
            remedy=remedy,
        )
        with progress("computing features", unit="images", quiet=as_json) as advance:
            made = whiten(
                model,
                request,
                photos,
                opened.name,
                application.model_store,
                command=command_line(),
                batch_size=application.settings.images_per_call,
                decode_threads=application.settings.decode_threads,
                on_images=advance,
            )
    manifest = made.manifest
    if as_json:
        print(json.dumps(manifest.to_json(), ensure_ascii=False))
        return
    print(f"Made {name} in {made.folder}: {manifest.visual_feature} whitened to {size} components.")
    if manifest.whitening is not None:
        print(f"Fitted on {manifest.whitening.fitted_on}.")
    print(f"Change to it with: drape reindex --model {name} --merchant {whose}")
