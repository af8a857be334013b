"""``drape evaluate``: how well networks retrieve, as a table, files and figures."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.types import AttributeSource
from cli.image_sources import dataset_options, mining_options
from cli.options import AsJson, Attributes, DatasetChoices, LearnWords, VocabularyFile
from cli.train import PREPROCESSING_HELP, ComputePrecision, Preprocessing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from catalog.bootstrap import Application
    from catalog.services.models.attribute_mining import MiningOptions
    from embeddings.datasets.dataset_options import DatasetOptions
    from embeddings.datasets.records import Dataset, DatasetImage
    from embeddings.evaluation.evaluated_rows import Fusion


class Gallery(StrEnum):
    """Which images a category's queries search."""

    SAME = "same"
    ALL = "all"


class FusedScores(StrEnum):
    """How two scores are made comparable before they are fused."""

    STANDARDISED = "standardised"
    RAW = "raw"


def evaluate(
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FOLDER", help="Where results, figures and the result sheet go.", file_okay=False
        ),
    ],
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", metavar="KIND:PATH", help="A data set: cub:FOLDER, table:FILE, …"),
    ] = None,
    dataset_option: DatasetChoices = None,
    merchant: Annotated[
        str | None, typer.Option("--merchant", "-m", metavar="NAME", help="Instead of a data set, an ingested catalog.")
    ] = None,
    category: Annotated[
        str | None, typer.Option("--category", metavar="NAME", help="Search with images of this category alone.")
    ] = None,
    gallery: Annotated[
        Gallery, typer.Option("--gallery", help="Search images of the same category, or of all.")
    ] = Gallery.SAME,
    held_out_only: Annotated[
        bool,
        typer.Option(
            "--held-out-only", help="Of a catalog: only photos that the versions named held out when they were trained."
        ),
    ] = False,
    attributes: Attributes = AttributeSource.FEED,
    vocabulary: VocabularyFile = None,
    learn_words: LearnWords = 0,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="VERSION",
            help="A model version, or one in a precision: NAME.bfloat16; may be given several times.",
        ),
    ] = None,
    untrained: Annotated[
        list[str] | None,
        typer.Option(
            "--untrained",
            metavar="TRUNK[:FILE]",
            help="A trunk without attributes, of its published weights, a file's, or 'random' ones; several times.",
        ),
    ] = None,
    preprocessing: Annotated[
        Preprocessing | None,
        typer.Option("--preprocessing", help=PREPROCESSING_HELP),
    ] = None,
    input_size: Annotated[
        int | None,
        typer.Option("--input-size", min=32, max=1024, help="Edge of the untrained trunks' input; default: the usual."),
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option("--feature", metavar="NAME", help="Only this feature; may be given several times."),
    ] = None,
    every_metric: Annotated[
        bool, typer.Option("--every-metric", help="Compare by every metric, not only by the usual one of a feature.")
    ] = False,
    whiten: Annotated[
        list[int] | None,
        typer.Option("--whiten", min=1, metavar="N", help="Add rows whitened to N components, fitted on the gallery."),
    ] = None,
    expand: Annotated[
        list[int] | None,
        typer.Option("--expand", min=1, metavar="N", help="Add rows with queries expanded by their first N hits."),
    ] = None,
    fuse: Annotated[
        list[str] | None,
        typer.Option("--fuse", metavar="FEATURE:WEIGHT", help="Add rows that fuse a feature with prob of that weight."),
    ] = None,
    fused_scores: Annotated[
        FusedScores, typer.Option("--fused-scores", help="Fuse scores standardised per query, or as they are.")
    ] = FusedScores.STANDARDISED,
    engine: Annotated[
        bool,
        typer.Option(
            "--engine/--no-engine",
            help="Let the vector engine answer, too: beside the exact rows, what its index loses.",
        ),
    ] = True,
    precision: Annotated[
        ComputePrecision | None, typer.Option("--precision", help="What to compute in; default: the version's own.")
    ] = None,
    half_precision: Annotated[
        bool, typer.Option("--float16", help="Keep features as float16 while they are compared: half the disk.")
    ] = False,
    sheet_queries: Annotated[
        int, typer.Option("--sheet-queries", min=0, max=50, help="How many queries the result sheet shows.")
    ] = 4,
    as_json: AsJson = False,
) -> None:
    """Measure precision, recall, top-k accuracy and attribute IoU of networks on a data set, for k = 1…50.

    Prints one row per network, feature and metric, and writes all of it with the curves' figures into a folder.
    """
    from catalog.bootstrap import Application, settings_from_environment
    from catalog.errors import InvalidRequest
    from catalog.services.models.evaluation import EvaluationRequest
    from cli.evaluation_files import write_evaluation
    from cli.evaluation_table import print_report
    from cli.progress import progress
    from embeddings.evaluation.evaluated_rows import FEATURES, RowOptions
    from embeddings.evaluation.untrained import parse_untrained
    from embeddings.manifest import Precision

    unknown = sorted(set(feature or ()) - set(FEATURES))
    if unknown:
        raise InvalidRequest("There is no such feature", received=", ".join(unknown), expected=", ".join(FEATURES))
    if (dataset is None) == (merchant is None):
        raise InvalidRequest(
            "An evaluation needs one thing to evaluate on",
            received="neither" if dataset is None else f"--dataset {dataset} and --merchant {merchant}",
            expected="either --dataset KIND:PATH or --merchant NAME",
        )
    if held_out_only and merchant is None:
        raise InvalidRequest(
            "A data set says itself what is trained on",
            received="--held-out-only",
            expected="--merchant NAME with it",
        )
    of_untrained = {"--preprocessing": preprocessing, "--input-size": input_size}
    given = [option for option, value in of_untrained.items() if value is not None]
    if given and not untrained:
        raise InvalidRequest(
            "A model version has no use for an option: it brings its own",
            received=", ".join(given),
            expected="a trunk that was not trained on attributes",
            remedy="add --untrained TRUNK, or leave the option out",
        )
    chosen = dataset_options(dataset, dataset_option, category=category, gallery=gallery.value)
    mining = mining_options(attributes, vocabulary, learn_words)
    networks = tuple(
        parse_untrained(
            text, preprocessing=None if preprocessing is None else preprocessing.value, input_size=input_size
        )
        for text in untrained or ()
    )
    rows = RowOptions(
        features=tuple(feature) if feature else None,
        every_metric=every_metric,
        whiten=tuple(whiten or ()),
        expand=tuple(expand or ()),
        fuse=tuple(_fusion(text, standardised=fused_scores is FusedScores.STANDARDISED) for text in fuse or ()),
    )
    # Made first: after an hour of computing, a folder that cannot be written would be found too late.
    out.mkdir(parents=True, exist_ok=True)
    with Application(settings_from_environment()) as application:
        only = application.evaluation.held_out_pictures(model or (), merchant) if merchant and held_out_only else None
        opened, read_image, remedy = _images(application, dataset, merchant, chosen, mining, only)
        request = EvaluationRequest(
            dataset=opened,
            models=tuple(model or ()),
            untrained=networks,
            rows=rows,
            precision=None if precision is None else Precision(precision.value),
            engine=engine,
            half_precision=half_precision,
            read_image=read_image,
            broken_image_remedy=remedy,
            merchant=None if held_out_only else merchant,
        )
        report = application.evaluation.evaluate(request, lambda label, unit: progress(label, unit=unit, quiet=as_json))
        written = write_evaluation(report, opened, out, read_image, num_queries=sheet_queries)
    if as_json:
        print(json.dumps(report.to_json(), ensure_ascii=False))
        return
    print_report(report)
    print(f"\nWritten: {', '.join(str(path) for path in written)}")


def _images(
    application: Application,
    dataset: str | None,
    merchant: str | None,
    options: DatasetOptions,
    mining: MiningOptions,
    only: Collection[str] | None,
) -> tuple[Dataset, Callable[[DatasetImage], bytes], str]:
    """What to evaluate on, how to read its images, and what to do about one that cannot be read."""
    from catalog.services.models.dataset_mining import with_mined_attributes
    from catalog.services.models.evaluation import read_from_path
    from catalog.services.models.stored_photos import BROKEN_IMAGE_REMEDY
    from embeddings.datasets.open_dataset import open_dataset
    from embeddings.datasets.photos import BROKEN_FILE_REMEDY

    if merchant is not None:
        catalogs = application.catalog_datasets
        read = catalogs.read(merchant, options.category, options.gallery, mining, only)
        return read, catalogs.image_bytes, BROKEN_IMAGE_REMEDY
    opened = with_mined_attributes(open_dataset(dataset or "", options), mining)
    return opened, read_from_path, BROKEN_FILE_REMEDY


def _fusion(text: str, *, standardised: bool) -> Fusion:
    """The fusion that ``FEATURE:WEIGHT`` names.

    Raises:
        InvalidRequest: the text has another form, or the weight lies outside [0, 1].
    """
    from catalog.errors import InvalidRequest
    from embeddings.evaluation.evaluated_rows import WHITENABLE, Fusion

    feature, _, weight = text.partition(":")
    try:
        found = Fusion(feature, float(weight), standardised)
    except ValueError:
        found = None
    if found is None or feature not in WHITENABLE:
        raise InvalidRequest(
            "A fusion cannot be read",
            received=text,
            expected=f"FEATURE:WEIGHT, a feature of {', '.join(WHITENABLE)} and prob's weight from 0 to 1: pool:0.5",
        )
    return found
