"""``drape train``: a model version from a merchant's own catalog, or from a data set."""

from __future__ import annotations

import json
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalog.services.progress import Advance
from catalog.types import AttributeSource
from cli.image_sources import dataset_options, mining_options
from cli.options import AsJson, Attributes, DatasetChoices, LearnWords, OptionalMerchant, VocabularyFile

if TYPE_CHECKING:
    from embeddings.training.config import HeadTrainingConfig, TrainingConfig
    from embeddings.training.recipes import Recipe


class RecipeName(StrEnum):
    """How to train: the attribute scores on a frozen trunk, or all layers by a recipe."""

    FROZEN = "frozen"
    SMALL = "small"
    PAPER = "paper"
    SCRATCH = "scratch"


class Trunk(StrEnum):
    """The trunks that can be trained on."""

    VGG16 = "vgg16"
    RESNET50 = "resnet50"
    COMPACT = "compact"


class Head(StrEnum):
    """The heads that can be trained."""

    MULTIATTRIB = "multiattrib"
    BILINEAR = "bilinear"


class Preprocessing(StrEnum):
    """How the trunk's weights expect their pixels."""

    CAFFE = "caffe"
    TORCH = "torch"
    UNIT = "unit"


class ProbNormalization(StrEnum):
    """How prob is scaled before it is compared."""

    L1 = "l1"
    L2 = "l2"


PREPROCESSING_HELP = (
    "How those weights expect their pixels. caffe: Keras's own VGG16 and ResNet-50 (the default for both). torch: what "
    "was trained with PyTorch. unit: 0 to 1. The wrong one gives plausible, poor results: of weights from elsewhere, "
    "`drape evaluate --untrained TRUNK:FILE` with each tells the right one, which scores highest."
)


class Activation(StrEnum):
    """How scores become prob."""

    AUTO = "auto"
    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"
    GROUPS = "groups"


class ProjectionKind(StrEnum):
    """What the bilinear head's projection is fitted as."""

    ICA = "ica"
    PCA = "pca"
    ORTHONORMAL = "orthonormal"


class ComputePrecision(StrEnum):
    """The number format that training computes in."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class VersionPrecision(StrEnum):
    """The number format a model version computes in."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"


def train(
    version: Annotated[str, typer.Option("--name", metavar="VERSION", help="Name of the model version to make.")],
    merchant: OptionalMerchant = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset", metavar="KIND:PATH", help="Train on a data set's training images instead: table:labels.csv."
        ),
    ] = None,
    dataset_option: DatasetChoices = None,
    category: Annotated[
        str | None, typer.Option("--category", metavar="NAME", help="Train on this category alone.")
    ] = None,
    attributes: Attributes = AttributeSource.FEED,
    vocabulary: VocabularyFile = None,
    learn_words: LearnWords = 0,
    recipe: Annotated[
        RecipeName | None,
        typer.Option(
            "--recipe",
            help="frozen: the attribute scores alone, on a frozen trunk (the default). small: all layers of a "
            "pretrained trunk, for catalogs. paper: the paper to the letter. scratch: compact from random weights.",
        ),
    ] = None,
    end_to_end: Annotated[
        bool,
        typer.Option("--end-to-end", help="Train every layer: --recipe small with --weights, else --recipe scratch."),
    ] = False,
    trunk: Annotated[
        Trunk | None, typer.Option("--trunk", help="The convolutional network; default: the recipe's.")
    ] = None,
    head: Annotated[
        Head, typer.Option("--head", help="What reads it; bilinear where all layers are trained.")
    ] = Head.MULTIATTRIB,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            help="The trunk's weights; default: the published ones, with --recipe scratch random ones. What they "
            "expect of pixels is known of published files and of model versions; of others, see --preprocessing.",
        ),
    ] = None,
    preprocessing: Annotated[
        Preprocessing | None,
        typer.Option("--preprocessing", help=PREPROCESSING_HELP),
    ] = None,
    activation: Annotated[
        Activation | None,
        typer.Option(
            "--activation",
            help="How scores become prob: each by itself, one of all, or one of each group; auto: by the attributes.",
        ),
    ] = None,
    projection: Annotated[
        ProjectionKind | None, typer.Option("--projection", help="What the bilinear head's projection is fitted as.")
    ] = None,
    projection_rank: Annotated[
        int | None, typer.Option("--projection-rank", min=1, max=512, help="Columns of that projection; default 20.")
    ] = None,
    train_projection: Annotated[
        bool | None,
        typer.Option(
            "--train-projection/--fixed-projection", help="Train it with the other layers.", show_default=False
        ),
    ] = None,
    bilinear_normalization: Annotated[
        bool | None,
        typer.Option(
            "--bilinear-normalization/--no-bilinear-normalization",
            help="Signed root and unit length of the bilinear descriptor; default: the recipe's.",
            show_default=False,
        ),
    ] = None,
    prob_normalization: Annotated[
        ProbNormalization | None,
        typer.Option(
            "--prob-normalization", help="Scale prob to sum 1 (l1) or to length 1 (l2); default: the recipe's."
        ),
    ] = None,
    loss_within_groups: Annotated[
        bool | None,
        typer.Option(
            "--loss-within-groups/--loss-over-all",
            help="Compare scores with those of the same group only; default: the recipe's.",
            show_default=False,
        ),
    ] = None,
    frozen_stages: Annotated[
        int | None,
        typer.Option("--frozen-stages", min=0, max=5, help="Leave the first of the trunk's 5 stages untrained."),
    ] = None,
    vary_colors: Annotated[
        bool,
        typer.Option("--vary-colors", help="Change colours strongly, for attributes that do not depend on them."),
    ] = False,
    min_count: Annotated[
        int, typer.Option("--min-count", min=1, help="Leave out attributes that fewer images have.")
    ] = 20,
    held_out: Annotated[
        float, typer.Option("--held-out", min=0, max=0.9, help="Share of the products to measure on, not train on.")
    ] = 0.1,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Default: the recipe's.")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="Images per step; default: the recipe's.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", metavar="RATE", help="The highest; default: the recipe's.")
    ] = None,
    warm_up: Annotated[
        float | None,
        typer.Option(
            "--warm-up",
            metavar="SHARE",
            min=0.0,
            max=0.99,
            help="Share of the training in which the learning rate rises from zero.",
            show_default=False,
        ),
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option("--weight-decay", metavar="RATE", help="Of kernels; default: the recipe's.")
    ] = None,
    repeat_threshold: Annotated[
        float | None,
        typer.Option(
            "--repeat-threshold",
            min=0,
            max=1,
            metavar="SHARE",
            help="Show images of attributes rarer than this more often, others less; default: the recipe's.",
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option("--patience", min=1, help="Stop after so many epochs without a better --monitor; keep the best."),
    ] = None,
    monitor: Annotated[
        str | None,
        typer.Option("--monitor", metavar="SCORE", help="Score of held-out images; default attribute IoU@5 of prob."),
    ] = None,
    input_size: Annotated[
        int | None,
        typer.Option("--input-size", min=32, max=1024, help="Edge of the input in pixels; default: the recipe's."),
    ] = None,
    precision: Annotated[
        VersionPrecision,
        typer.Option(
            "--precision",
            help="What the version computes in; float32 for CPUs without bfloat16, int8 where CPUs should be fastest.",
        ),
    ] = VersionPrecision.BFLOAT16,
    compute_precision: Annotated[
        ComputePrecision | None,
        typer.Option("--compute-precision", help="What training computes in; default: the recipe's."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Decides split, initial weights and order.")] = 0,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew instead of going on with an unfinished training.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a network on the attributes of a catalog or data set; then change to it with `drape reindex`.

    A training of all layers saves its state after every epoch: the same command goes on where it was stopped.
    """
    from catalog.bootstrap import Application, settings_from_environment
    from catalog.errors import InvalidRequest
    from cli.search import only_merchant
    from embeddings.manifest import Precision
    from embeddings.normalization import Normalization
    from embeddings.training.config import HeadTrainingConfig, Projection
    from embeddings.training.recipes import RECIPES, with_bilinear_head, with_varied_colors

    if dataset is not None and merchant is not None:
        raise InvalidRequest(
            "There are two sources to train on",
            received=f"--merchant {merchant} and --dataset {dataset}",
            expected="one of them",
        )
    chosen = dataset_options(dataset, dataset_option, category=category)
    mining = mining_options(attributes, vocabulary, learn_words)
    if end_to_end and recipe is RecipeName.FROZEN:
        raise InvalidRequest(
            "There are two answers to which layers to train",
            received="--recipe frozen and --end-to-end",
            expected="one of them",
            remedy="leave out --end-to-end, or name --recipe small, paper or scratch",
        )
    name = recipe or ((RecipeName.SMALL if weights else RecipeName.SCRATCH) if end_to_end else RecipeName.FROZEN)
    known = RECIPES.get(name)
    changes = {
        "trunk": trunk,
        "preprocessing": preprocessing,
        "activation": activation,
        "loss_within_groups": loss_within_groups,
        "prob_normalization": None if prob_normalization is None else Normalization(prob_normalization.value),
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
    }
    of_bilinear_heads = {
        "projection": None if projection is None else Projection(projection.value),
        "projection_rank": projection_rank,
        "train_projection": train_projection,
        "bilinear_normalization": bilinear_normalization,
    }
    of_all_layers = {
        "head": head if head is not Head.MULTIATTRIB else None,
        **of_bilinear_heads,
        "frozen_stages": frozen_stages,
        "warm_up": warm_up,
        "repeat_threshold": repeat_threshold,
        "patience": patience,
        "monitor": monitor,
        "compute_precision": None if compute_precision is None else Precision(compute_precision.value),
    }
    config: TrainingConfig | HeadTrainingConfig
    if known is None:
        given = _given(of_all_layers)
        if given or vary_colors:
            raise InvalidRequest(
                "A frozen trunk has no use for an option",
                received=", ".join(given or ["--vary-colors"]),
                expected="a recipe that trains all layers",
                remedy="add --recipe small, paper or scratch",
            )
        config = _changed(HeadTrainingConfig(activation="auto", seed=seed), changes)
    else:
        start = with_bilinear_head(known.config) if head is Head.BILINEAR else known.config
        start = with_varied_colors(start) if vary_colors else start
        whole: TrainingConfig = _changed(start, {**changes, **of_all_layers, "seed": seed})
        config = whole
        if whole.head != Head.BILINEAR and (given := _given(of_bilinear_heads)):
            raise InvalidRequest(
                f"A {whole.head} head has no use for an option",
                received=", ".join(given),
                expected="a head that projects its feature map",
                remedy="add --head bilinear, or leave the option out",
            )
        if monitor is not None and patience is None:
            raise InvalidRequest(
                "A score to stop by has no use where nothing stops",
                received=f"--monitor {monitor!r} without --patience",
                expected="how many epochs to wait for a better score",
                remedy="add --patience 3, or leave out --monitor",
            )

    # Only now: this starts TensorFlow, for which nobody should wait who made a slip in the options.
    from catalog.services.models.training import CatalogSource, DatasetSource, TrainingRequest

    with Application(settings_from_environment()) as application, ExitStack() as phases:
        source: CatalogSource | DatasetSource
        if dataset is not None:
            source = DatasetSource(dataset, chosen, mining)
        else:
            source = CatalogSource(merchant or only_merchant(application), category, mining)
        request = TrainingRequest(
            version=version,
            source=source,
            recipe=config,
            input_size=input_size or _input_size(known, config),
            weights=weights,
            pretrained=known is None or known.pretrained,
            min_count=min_count,
            held_out_share=held_out,
            precision=Precision(precision.value),
            restart=restart,
        )
        shown = _Phases(phases, quiet=as_json)
        made = application.training.train(
            request, shown.advance, lambda record: shown.tell(str(record)), lambda note: shown.tell(note)
        )
    if as_json:
        print(json.dumps(made.manifest.to_json(), ensure_ascii=False))
        return
    print(f"Made {made.manifest.version} in {made.folder}, with the history of its training.")
    for score_name, score in made.manifest.scores.items():
        print(f"  {score_name} {score:.3f}")
    whose = source.merchant if isinstance(source, CatalogSource) else "MERCHANT"
    print(f"Change to it with: drape reindex --model {made.manifest.version} --merchant {whose}")


def _given(options: dict[str, Any]) -> list[str]:
    """Those options that were given, as they are written on the command line, a switch as it was switched."""
    switched_off = {
        "train_projection": "fixed_projection",
        "bilinear_normalization": "no_bilinear_normalization",
        "loss_within_groups": "loss_over_all",
    }
    given = {name: value for name, value in options.items() if value is not None}
    names = [switched_off[name] if value is False else name for name, value in given.items()]
    return [f"--{name.replace('_', '-')}" for name in names]


def _changed(config: Any, changes: dict[str, Any]) -> Any:  # noqa: ANN401  One of two dataclasses in, the same out.
    """The configuration with what was given in place of its own."""
    from dataclasses import replace

    from catalog.errors import InvalidRequest

    given = {
        name: value.value if type(value) in (Trunk, Head, Preprocessing, Activation) else value
        for name, value in changes.items()
        if value is not None
    }
    try:
        return replace(config, **given)
    except ValueError as error:
        raise InvalidRequest("An option of training is outside its range", received=str(error)) from error


def _input_size(recipe: Recipe | None, config: TrainingConfig | HeadTrainingConfig) -> int:
    """The recipe's own where its trunk is the recipe's; 224 for frozen trunks."""
    if recipe is None:
        return 224
    return recipe.input_size if config.trunk == recipe.config.trunk else 128 if config.trunk == "compact" else 224


class _Phases:
    """One progress display after the other, as the phases of training come."""

    def __init__(self, stack: ExitStack, *, quiet: bool) -> None:
        self._stack = stack
        self._quiet = quiet
        self._phase: str | None = None
        self._advance: Advance | None = None

    def advance(self, phase: str, done: int, total: int) -> None:
        from cli.progress import progress

        if phase != self._phase or self._advance is None:
            self._stack.close()
            self._advance = self._stack.enter_context(progress(phase, unit="images", quiet=self._quiet))
            self._phase = phase
        self._advance(done, total)

    def tell(self, text: str) -> None:
        """A line of its own, below what is shown."""
        self._stack.close()
        self._phase = None
        typer.echo(text, err=True)
