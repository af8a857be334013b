"""Evaluation: every feature of every network on a data set, and the engine's own answers beside them."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.errors import InvalidRequest
from catalog.ports.models import ModelDescription, Models
from catalog.ports.vector_index import VectorIndex
from catalog.services.models.trained_catalog import is_of_catalog
from catalog.services.progress import Advance, unheard
from catalog.services.searching.engine_rankings import EngineRankings
from catalog.services.searching.fused_ranking import PROB_WEIGHT
from catalog.types import SearchMode
from embeddings.datasets.photos import BROKEN_FILE_REMEDY, DatasetPhotos
from embeddings.datasets.records import Dataset, DatasetImage
from embeddings.evaluation.embedder_network import EmbedderNetwork
from embeddings.evaluation.evaluated_rows import METRIC_NAMES, EvaluatedRow, NetworkRows, RowOptions, with_first_results
from embeddings.evaluation.feature_rows import FeatureFile
from embeddings.evaluation.ground_truth import MOST_RANKS, GroundTruth
from embeddings.evaluation.picture_features import compute_features
from embeddings.evaluation.report import EvaluationReport
from embeddings.evaluation.scoring import INTERSECTION_OF
from embeddings.evaluation.untrained import UntrainedNetwork
from embeddings.manifest import PROBABILITIES, ModelManifest, Precision
from embeddings.model_store import ModelStore, ModelVersion
from embeddings.normalization import Normalization
from embeddings.training.held_out_pictures import read_held_out

if TYPE_CHECKING:
    from embeddings.evaluation.networks import EvaluatedNetwork

Phase = Callable[[str, str], AbstractContextManager[Advance]]
"""Begins a phase of a label and a unit, and gives what is to be told how far it is."""

_KERAS_PRECISIONS = (Precision.FLOAT32, Precision.BFLOAT16)

_ENGINE_METRICS: Mapping[SearchMode, str] = {
    SearchMode.VISUAL: "engine, visual: cosine, int8",
    SearchMode.NATIVE: "engine, native: {intersection}",
    SearchMode.RERANK: "engine, rerank: {intersection} of 200",
    SearchMode.FUSED: "engine, fused: cosine + {intersection} of 200 each",
}


@contextmanager
def unheard_phase(_label: str, _unit: str) -> Iterator[Advance]:
    """For callers that do not follow progress."""
    yield unheard


def read_from_path(image: DatasetImage) -> bytes:
    """An image's bytes from its file."""
    return image.path.read_bytes()


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """What to evaluate, on what.

    Args:
        dataset: Queries and gallery.
        models: Model versions by name or folder; one may end in a precision of its own: ``NAME.bfloat16``.
        untrained: Networks to compare with.
        rows: Which rows of the table.
        precision: What to compute in; None is each version's own, float32 for what is untrained.
        engine: Whether the vector engine answers, too, for model versions.
        half_precision: Keep features as float16 while they are compared.
        read_image: Gives an image's bytes.
        broken_image_remedy: What to do about an image that cannot be read.
        merchant: Whose catalog the data set is, trained photos and others; None where it is something else.
    """

    dataset: Dataset
    models: tuple[str, ...] = ()
    untrained: tuple[UntrainedNetwork, ...] = ()
    rows: RowOptions = field(default_factory=RowOptions)
    precision: Precision | None = None
    engine: bool = True
    half_precision: bool = False
    read_image: Callable[[DatasetImage], bytes] = read_from_path
    broken_image_remedy: str = BROKEN_FILE_REMEDY
    merchant: str | None = None


@dataclass(frozen=True, slots=True)
class _AskedVersion:
    """A version in a precision, and what the models port knows it as."""

    on_disk: ModelVersion
    precision: Precision
    described: ModelDescription
    known_as: str


class EvaluationService:
    """Evaluates networks on data sets.

    Args:
        temporary_index: Gives an empty vector index that is gone after its ``with`` block.
        batch_size: Images per network call.
        decode_threads: Images read at once.
        max_pixels: Larger images are refused before they are decoded.
    """

    def __init__(
        self,
        store: ModelStore,
        models: Models,
        temporary_index: Callable[[], AbstractContextManager[VectorIndex]],
        *,
        batch_size: int,
        decode_threads: int,
        max_pixels: int,
    ) -> None:
        self._store = store
        self._models = models
        self._temporary_index = temporary_index
        self._batch_size = batch_size
        self._decode_threads = decode_threads
        self._max_pixels = max_pixels

    def evaluate(self, request: EvaluationRequest, phase: Phase = unheard_phase) -> EvaluationReport:
        """Features of every network under every metric asked for, measured at every k.

        Raises:
            UnusableDataset: there is nothing to rank or to judge by, or an image cannot be read.
            UnusableModel, UnusableWeights: a version or a weights file is missing or damaged.
            InvalidRequest: no network was named, or none has a feature that was asked for.
        """
        if not request.models and not request.untrained:
            raise InvalidRequest("There is no network to evaluate", remedy="name one with --model or --untrained")
        # Everything that can be missing is looked for before anything takes its time.
        versions = [self._asked(name, request.precision) for name in request.models]
        truth = GroundTruth(request.dataset)
        notes = _notes(request.dataset, truth)
        for version in versions:
            version.on_disk.verify()
            notes.extend(_notes_on_training(version.on_disk.manifest, request.merchant))
            notes.extend(_taxonomy_notes(version.on_disk.manifest, request.dataset))
        rows: list[EvaluatedRow] = []
        facts: list[Mapping[str, object]] = []
        for network in request.untrained:
            self._evaluate_untrained(network, request, truth, phase, rows, facts, notes)
        for version in versions:
            self._evaluate_version(version, request, truth, phase, rows, facts, notes)
        if not rows:
            raise InvalidRequest(
                "No network has a feature that was asked for",
                received=", ".join(request.rows.features or ()),
                remedy="leave out --feature, or name features that these networks have",
            )
        dataset = request.dataset
        return EvaluationReport(
            dataset={
                "name": dataset.name,
                "num_queries": len(dataset.queries),
                "num_gallery": len(dataset.gallery),
                "num_pictures": len(truth.pictures),
                "levels": list(dataset.levels),
                "num_attributes": len({name for image in dataset.gallery for name in image.attributes}),
                "notes": list(dataset.notes),
            },
            models=facts,
            rows=rows,
            # A version in two precisions has the same to say twice.
            notes=list(dict.fromkeys([*dataset.notes, *notes])),
            command=shlex.join(["drape", *sys.argv[1:]]),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def held_out_pictures(self, models: Sequence[str], merchant: str) -> frozenset[str]:
        """The pictures of a catalog that every model version trained on it held out then.

        Versions that were not trained on this catalog take none away.

        Raises:
            UnusableModel: a version is missing or damaged.
            InvalidRequest: none was trained on this catalog, or what one of them held out is not known.
        """
        versions = [self._store.open(_place_and_precision(name)[0]) for name in models]
        held_out = {
            version.manifest.version: read_held_out(version.folder)
            for version in versions
            if is_of_catalog(version.manifest.provenance.data, merchant)
        }
        unknown = [name for name, pictures in held_out.items() if not pictures]
        if unknown or not held_out:
            raise InvalidRequest(
                "What was held out in training is not known",
                received=", ".join(unknown) or f"no version that was trained on the catalog of {merchant}",
                expected="--model with versions that were trained here, with --held-out above 0",
                remedy="train anew, or leave out --held-out-only",
            )
        return frozenset.intersection(*held_out.values())

    def _evaluate_untrained(
        self,
        network: UntrainedNetwork,
        request: EvaluationRequest,
        truth: GroundTruth,
        phase: Phase,
        rows: list[EvaluatedRow],
        facts: list[Mapping[str, object]],
        notes: list[str],
    ) -> None:
        # Here because TensorFlow takes seconds to import, and what was asked for may already have been refused.
        from embeddings.evaluation.networks import untrained_network

        loaded, told = untrained_network(network, request.precision, batch_size=self._batch_size)
        notes.extend(told)
        facts.append({"name": loaded.name, **loaded.facts})
        with tempfile.TemporaryDirectory(prefix="drape-evaluation-") as folder:
            files = self._features(loaded, request, truth, Path(folder), phase)
            rows.extend(_rows(loaded.name, files, request.rows, truth, Path(folder), phase, notes))

    def _asked(self, text: str, precision: Precision | None) -> _AskedVersion:
        """The version that a name, a folder, or one of them with a precision at its end asks for."""
        place, own = _place_and_precision(text)
        found = self._store.open(place)
        computed_in = own or precision or found.manifest.precision
        known_as = place if computed_in is found.manifest.precision else f"{place}.{computed_in}"
        return _AskedVersion(found, computed_in, self._models.describe(known_as), known_as)

    def _evaluate_version(
        self,
        version: _AskedVersion,
        request: EvaluationRequest,
        truth: GroundTruth,
        phase: Phase,
        rows: list[EvaluatedRow],
        facts: list[Mapping[str, object]],
        notes: list[str],
    ) -> None:
        manifest = version.on_disk.manifest
        options = request.rows
        if manifest.whitening is not None and options.whiten:
            options = replace(options, whiten=())
            notes.append(f"{manifest.version} is whitened already: it has no rows that are whitened once more.")
        loaded = self._networks(version)
        of_version: dict[str, FeatureFile] = {}
        with tempfile.TemporaryDirectory(prefix="drape-evaluation-") as folder:
            for number, (network, features) in enumerate(loaded):
                facts.append({"name": network.name, "version": manifest.version, **network.facts})
                place = Path(folder) / str(number)
                place.mkdir()
                files = self._features(network, request, truth, place, phase, features if request.engine else ())
                of_version |= {name: file for name, file in files.items() if name in features}
                prob_normalization = version.described.prob_normalization
                rows.extend(_rows(network.name, files, options, truth, place, phase, notes, prob_normalization))
            if request.engine:
                rows.extend(self._engine_rows(version.described, of_version, truth, phase, notes))

    def _networks(self, version: _AskedVersion) -> list[tuple[EvaluatedNetwork | EmbedderNetwork, Collection[str]]]:
        """The version's networks, each with those of its outputs that are features of the version."""
        manifest = version.on_disk.manifest
        if version.precision in _KERAS_PRECISIONS:
            from embeddings.evaluation.networks import networks_of

            networks = networks_of(version.on_disk, version.precision, batch_size=self._batch_size)
            return [(one, spec.features) for one, spec in zip(networks, manifest.networks, strict=True)]
        facts = {
            "input_size": manifest.input_size,
            "precision": version.precision.value,
            "weights_sha256": [network.sha256 for network in manifest.networks],
            "trained_on": manifest.provenance.data,
        }
        embedder = self._models.embedder(version.known_as)
        return [(EmbedderNetwork(embedder, facts, batch_size=self._batch_size), tuple(manifest.features))]

    def _features(
        self,
        network: EvaluatedNetwork | EmbedderNetwork,
        request: EvaluationRequest,
        truth: GroundTruth,
        folder: Path,
        phase: Phase,
        of_engine: Collection[str] = (),
    ) -> dict[str, FeatureFile]:
        """Those outputs that a row needs; none is computed where there is none."""
        outputs = set(network.sizes)
        if request.rows.features is not None:
            fused = {name for fusion in request.rows.fuse for name in (fusion.feature, PROBABILITIES)}
            outputs &= {*request.rows.features, *fused, *of_engine}
        if not outputs:
            return {}
        photos = DatasetPhotos(
            truth.pictures,
            network.input_size,
            max_pixels=self._max_pixels,
            read=request.read_image,
            remedy=request.broken_image_remedy,
        )
        with phase(f"{network.name}: computing features", "images") as advance:
            return compute_features(
                network,
                photos,
                folder,
                outputs=outputs,
                half_precision=request.half_precision,
                decode_threads=self._decode_threads,
                on_images=lambda done: advance(done, len(photos)),
            )

    def _engine_rows(
        self,
        model: ModelDescription,
        files: Mapping[str, FeatureFile],
        truth: GroundTruth,
        phase: Phase,
        notes: list[str],
    ) -> Iterator[EvaluatedRow]:
        name = model.version
        visual, prob = files[model.visual_feature], files[PROBABILITIES]
        num_gallery, num_queries = len(truth.gallery_ids), len(truth.query_ids)
        with self._temporary_index() as index:
            with phase(f"{name}: storing vectors", "images") as advance:
                rankings = EngineRankings(
                    index, model, visual, prob, truth, on_points=lambda done: advance(done, num_gallery)
                )
            intersection = METRIC_NAMES[INTERSECTION_OF[model.prob_normalization]]
            for mode, metric in _ENGINE_METRICS.items():
                feature, size = PROBABILITIES, prob.shape[1]
                if mode is SearchMode.VISUAL:
                    feature, size = model.visual_feature, visual.shape[1]
                elif mode is SearchMode.FUSED:
                    feature = f"{model.visual_feature} + {PROB_WEIGHT:g} {PROBABILITIES}"
                    size += visual.shape[1]
                with phase(f"{name}: searching, {mode.value}", "queries") as advance:
                    ranking = rankings.rank(mode, on_queries=_of(advance, num_queries))
                if ranking.shape[1] < truth.num_ranks:
                    notes.append(
                        f"The engine found only {ranking.shape[1]} of {truth.num_ranks} results for some query of "
                        f"{name} in mode {mode.value}; its row ends there."
                    )
                if not ranking.shape[1]:
                    continue
                measured = truth.measure(ranking)
                row = EvaluatedRow(
                    name, feature, size, metric.format(intersection=intersection), measured, ranking, is_engine=True
                )
                yield with_first_results(row)


def _rows(
    name: str,
    files: Mapping[str, FeatureFile],
    options: RowOptions,
    truth: GroundTruth,
    folder: Path,
    phase: Phase,
    notes: list[str],
    prob_normalization: Normalization = Normalization.L2,
) -> list[EvaluatedRow]:
    with phase(f"{name}: ranking", "queries") as advance:
        computed = NetworkRows(
            name,
            files,
            truth,
            folder,
            prob_normalization=prob_normalization,
            on_queries=_of(advance, len(truth.query_ids)),
        )
        rows = [with_first_results(row) for row in computed.rows(options)]
    notes.extend(computed.notes)
    return rows


def _place_and_precision(text: str) -> tuple[str, Precision | None]:
    """A version's name or folder, and the precision at its end, if there is one."""
    for suffix in Precision:
        if text.endswith(f".{suffix}"):
            return text.removesuffix(f".{suffix}"), suffix
    return text, None


def _of(advance: Advance, total: int) -> Callable[[int], None]:
    return lambda done: advance(done, total)


def _notes(dataset: Dataset, truth: GroundTruth) -> list[str]:
    """What a reader of any row should know about queries and gallery."""
    notes = []
    if truth.num_ranks < MOST_RANKS:
        notes.append(
            f"The gallery has no more than {truth.num_ranks} images for some query, so k ends at {truth.num_ranks}."
        )
    if len(kinds := {image.attributes for image in (*dataset.queries, *dataset.gallery) if image.attributes}) == 1:
        notes.append(f"All images have the same attributes ({', '.join(min(kinds))}): their IoU tells nothing.")
    num_without = sum(not image.attributes for image in dataset.queries)
    if num_without:
        notes.append(
            f"{num_without:,} of {len(dataset.queries):,} queries have no attributes and do not count for IoU."
        )
    return notes


def _notes_on_training(manifest: ModelManifest, merchant: str | None) -> Sequence[str]:
    """That photos are searched which the version was trained on, and where to find scores of others."""
    if merchant is None or not is_of_catalog(manifest.provenance.data, merchant):
        return ()
    name = manifest.version
    fair = (
        f"`drape model show {name}` has its scores on products that were held out, --held-out-only measures on these."
        if manifest.scores
        else "None were held out: train with --held-out to have scores on others."
    )
    return (
        f"{name} was trained on photos of this very catalog, so its rows look better than on photos new to it. {fair}",
    )


def _taxonomy_notes(manifest: ModelManifest, dataset: Dataset) -> Sequence[str]:
    """Which of the data set's attributes the model cannot know."""
    known = set(manifest.taxonomy.names)
    found = [name for image in (*dataset.queries, *dataset.gallery) for name in image.attributes]
    unknown = {name for name in found if name not in known}
    if not unknown:
        return ()
    share = sum(name in unknown for name in found) / len(found)
    return (
        f"{manifest.version} was not trained on {len(unknown)} of the data set's {len(set(found))} attributes "
        f"({share:.0%} of all that its images have), such as {min(unknown)}.",
    )
