"""The vector index of a Qdrant server, through its client. The only door to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from catalog.adapters.qdrant.collection_spec_json import extended_spec, spec_from_json, spec_to_json
from catalog.adapters.qdrant.stored_values import named_vectors, plain_payload
from catalog.adapters.qdrant.vector_index_checks import (
    ACORN_MAX_SELECTIVITY,
    batches,
    candidate_depth,
    check_collection_name,
    check_facet_field,
    check_limit,
    check_query,
    check_spec,
    check_vector_names,
    checked_points,
    excluded_ids,
    point_not_stored,
    search_depth,
    storable_ids,
)
from catalog.errors import GalleryNotFound, IndexUnavailable, InvalidRequest
from catalog.ports.vector_index import (
    CollectionSpec,
    Condition,
    Distance,
    FieldType,
    Filter,
    HasId,
    IsEmpty,
    Match,
    Payload,
    Point,
    Range,
    ScoredPoint,
    StoredPoint,
    Vector,
    VectorQuery,
    VectorSpec,
)

# A component takes up to 22 bytes of JSON and the server takes requests of 32 MiB: this leaves room for the payloads.
_COMPONENTS_PER_REQUEST = 2**20
_PAYLOADS_PER_REQUEST = 1000

# The collection's own metadata is where its spec is kept, because not every part of a spec can be read back elsewhere.
_SPEC_KEY = "drape_spec"

_SECONDS_BETWEEN_LOOKS = 0.2
_NOT_FOUND = 404
_CONFLICT = 409

_DISTANCES = {Distance.COSINE: models.Distance.COSINE, Distance.MANHATTAN: models.Distance.MANHATTAN}


@dataclass(frozen=True, slots=True)
class ServerLayout:
    """How collections that are made from now on lie on the server or cluster. Those that exist stay as they are.

    Args:
        shards: Parts of a collection, which may lie on different nodes.
        replicas: Copies of each part.
        write_consistency: Copies that must have a write before it counts as done, at most ``replicas``.
        int8: Whether visual vectors have an int8 copy in memory, which searches walk: half the memory of float16.
        on_disk: Whether originals of vectors that have an int8 copy in memory stay on disk, to be read for the final
            scores alone.

    Raises:
        InvalidRequest: more copies must have a write than there are.
    """

    shards: int = 1
    replicas: int = 1
    write_consistency: int = 1
    int8: bool = True
    on_disk: bool = False

    def __post_init__(self) -> None:
        if self.write_consistency > self.replicas:
            raise InvalidRequest(
                "No write could ever be done",
                received=f"DRAPE_QDRANT_WRITE_CONSISTENCY={self.write_consistency} of {self.replicas} replicas",
                expected="at most DRAPE_QDRANT_REPLICAS",
            )


_ONE_NODE: Final = ServerLayout()


class QdrantServerIndex:
    """Collections on a Qdrant server, which many processes may share.

    Safe for threads as the client is. Writes wait until the server has applied them.

    Args:
        client: Closed by ``close``.
        layout: Of new collections.
        optimize_timeout: Seconds that ``optimize`` waits for the server.
    """

    def __init__(
        self, client: QdrantClient, *, layout: ServerLayout = _ONE_NODE, optimize_timeout: float = 3600.0
    ) -> None:
        self._client = client
        self._layout = layout
        self._optimize_timeout = optimize_timeout
        self._specs: dict[str, CollectionSpec] = {}
        self._closed = False

    @classmethod
    def connect(
        cls, url: str, api_key: str | None = None, *, layout: ServerLayout = _ONE_NODE, timeout: int = 30
    ) -> QdrantServerIndex:
        """An index on the server at ``url``. Nothing is sent yet: an unreachable server shows at the first use.

        Args:
            url: ``http(s)://host:port``.
            layout: Of new collections.
            timeout: Seconds a request may take.
        """
        # The compatibility check would ask the server now, and only warn where it finds none.
        client = QdrantClient(url=url, api_key=api_key, timeout=timeout, check_compatibility=False)
        return cls(client, layout=layout)

    def create_collection(self, name: str, spec: CollectionSpec) -> None:
        check_collection_name(name)
        check_spec(spec)
        self._specs.pop(name, None)
        with self._server(f"create the collection {name!r}"):
            if not self._client.collection_exists(name):
                try:
                    self._client.create_collection(
                        name,
                        vectors_config={
                            key: _vector_params(vector, self._layout) for key, vector in spec.vectors.items()
                        },
                        shard_number=self._layout.shards,
                        replication_factor=self._layout.replicas,
                        write_consistency_factor=self._layout.write_consistency,
                        metadata={_SPEC_KEY: spec_to_json(spec)},
                    )
                except UnexpectedResponse as error:
                    # Another process was quicker; whether it made the same collection is looked at next.
                    if error.status_code != _CONFLICT:
                        raise
            found = self._client.get_collection(name)
            existing = _spec_of(name, found)
            extended = extended_spec(name, existing, spec)
            # Creating the collection and its indexes are several requests. Whoever comes next completes what a crash
            # between them has left out.
            for field in sorted(spec.fields.keys() - found.payload_schema.keys()):
                self._client.create_payload_index(name, field, _field_schema(spec.fields[field]), wait=True)
            if extended.fields.keys() != existing.fields.keys():
                self._client.update_collection(name, metadata={_SPEC_KEY: spec_to_json(extended)})

    def drop_collection(self, name: str) -> None:
        check_collection_name(name)
        self._specs.pop(name, None)
        with self._server(f"drop the collection {name!r}"):
            self._client.delete_collection(name)

    def list_collections(self) -> list[str]:
        with self._server("list the collections"):
            return sorted(found.name for found in self._client.get_collections().collections)

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        with self._collection(collection) as spec:
            for batch in batches(checked_points(spec, points), _COMPONENTS_PER_REQUEST):
                self._client.upsert(
                    collection,
                    [
                        models.PointStruct(
                            id=point.id,
                            vector={name: vector.tolist() for name, vector in point.vectors.items()},
                            payload=plain_payload(point.payload),
                        )
                        for point in batch
                    ],
                    wait=True,
                )

    def replace_payloads(self, collection: str, payloads: Mapping[int, Payload]) -> None:
        with self._collection(collection):
            # By filter and not by id: an id that is not stored is an error there, and matches nothing here.
            operations: list[Any] = [
                models.OverwritePayloadOperation(
                    overwrite_payload=models.SetPayload(
                        payload=plain_payload(payload),
                        filter=models.Filter(must=[models.HasIdCondition(has_id=[point_id])]),
                    )
                )
                for point_id, payload in payloads.items()
                if storable_ids((point_id,))
            ]
            for start in range(0, len(operations), _PAYLOADS_PER_REQUEST):
                self._client.batch_update_points(
                    collection, operations[start : start + _PAYLOADS_PER_REQUEST], wait=True
                )

    def delete(self, collection: str, ids: Sequence[int]) -> None:
        with self._collection(collection):
            removed: list[Any] = [*storable_ids(ids)]
            if removed:
                self._client.delete(collection, models.PointIdsList(points=removed), wait=True)

    def retrieve(
        self, collection: str, ids: Sequence[int], with_vectors: Sequence[str] = (), *, with_payload: bool = True
    ) -> list[StoredPoint]:
        with self._collection(collection) as spec:
            check_vector_names(spec, with_vectors)
            wanted = [*storable_ids(ids)]
            if not wanted:
                return []
            records = self._client.retrieve(
                collection, wanted, with_payload=with_payload, with_vectors=list(with_vectors) or False
            )
            found = {int(record.id): record for record in records}
            return [
                StoredPoint(point_id, found[point_id].payload or {}, named_vectors(found[point_id].vector))
                for point_id in ids
                if point_id in found
            ]

    def count(self, collection: str, filter: Filter | None = None) -> int:
        with self._collection(collection):
            return self._client.count(collection, count_filter=_server_filter(filter), exact=True).count

    def facet(
        self, collection: str, field: str, filter: Filter | None = None, limit: int = 100
    ) -> list[tuple[str, int]]:
        with self._collection(collection) as spec:
            check_facet_field(spec, field)
            check_limit(limit, "limit of the facet")
            answer = self._client.facet(collection, field, facet_filter=_server_filter(filter), limit=limit, exact=True)
            hits = [(str(hit.value), hit.count) for hit in answer.hits if hit.count > 0]
            return sorted(hits, key=lambda hit: (-hit[1], hit[0]))

    def search(self, collection: str, query: VectorQuery) -> list[ScoredPoint]:
        with self._collection(collection) as spec:
            check_query(spec, query)
            hits = self._missing_point_named(collection, query, lambda: self._ask(collection, query))
            return [ScoredPoint(int(hit.id), hit.score, hit.payload or {}, named_vectors(hit.vector)) for hit in hits]

    def scroll(
        self, collection: str, filter: Filter | None = None, limit: int = 1000, after: int | None = None
    ) -> list[StoredPoint]:
        with self._collection(collection):
            check_limit(limit, "limit of the scroll")
            records, _ = self._client.scroll(
                collection,
                scroll_filter=_server_filter(filter),
                limit=limit,
                offset=None if after is None else max(0, after + 1),
                with_payload=True,
                with_vectors=False,
            )
            return [StoredPoint(int(record.id), record.payload or {}, {}) for record in records]

    def optimize(self, collection: str) -> None:
        with self._collection(collection):
            # The server optimizes by itself, except for what it found pending when it started ("grey"): any change of
            # the collection's settings, even an empty one, sets that going.
            self._client.update_collection(collection, optimizers_config=models.OptimizersConfigDiff())
            deadline = time.monotonic() + self._optimize_timeout
            while (found := self._client.get_collection(collection)).status != models.CollectionStatus.GREEN:
                if found.status == models.CollectionStatus.RED or time.monotonic() > deadline:
                    raise IndexUnavailable(
                        f"The server did not finish indexing the collection {collection!r}.",
                        received=f"status {found.status.value}, optimizer {found.optimizer_status}",
                        expected=f"status green within {self._optimize_timeout:g} seconds",
                        remedy="look at the server's log",
                    )
                time.sleep(_SECONDS_BETWEEN_LOOKS)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._client.close()

    def _ask(self, collection: str, query: VectorQuery) -> list[models.ScoredPoint]:
        filter = _server_filter(query.filter, excluded_ids(query))
        first_stage = query.candidates
        if first_stage is None:
            prefetch = None
            params = _search_params(query, query.offset + query.limit)
        else:
            prefetch = models.Prefetch(
                query=_components(first_stage.query),
                using=first_stage.using,
                limit=first_stage.limit,
                filter=filter,
                params=_candidate_params(query, first_stage.limit),
            )
            params = _exact()
        return self._client.query_points(
            collection,
            query=_components(query.query),
            using=query.using,
            prefetch=prefetch,
            query_filter=filter,
            limit=query.limit,
            offset=query.offset,
            search_params=params,
            score_threshold=query.score_threshold,
            with_payload=query.with_payload,
            with_vectors=list(query.with_vectors) or False,
        ).points

    def _missing_point_named(
        self, collection: str, query: VectorQuery, ask: Callable[[], list[models.ScoredPoint]]
    ) -> list[models.ScoredPoint]:
        """The answer; where the server found no such point to ask with, an error that names the point."""
        try:
            return ask()
        except (UnexpectedResponse, ValueError) as error:
            if isinstance(error, UnexpectedResponse) and error.status_code != _NOT_FOUND:
                raise
            # Looked up only now, so that a search which succeeds is one round trip.
            asked = excluded_ids(query)
            if not asked:
                raise
            stored = {int(record.id) for record in self._client.retrieve(collection, [*asked], with_payload=False)}
            for point_id in asked:
                if point_id not in stored:
                    raise point_not_stored(point_id) from error
            raise

    @contextmanager
    def _collection(self, name: str) -> Iterator[CollectionSpec]:
        check_collection_name(name)
        with self._server(f"work on the collection {name!r}", collection=name):
            if name not in self._specs:
                self._specs[name] = _spec_of(name, self._client.get_collection(name))
            yield self._specs[name]

    @contextmanager
    def _server(self, attempt: str, collection: str | None = None) -> Iterator[None]:
        """Translate what the client raises. Its local mode raises ValueError where the server answers 404."""
        if self._closed:
            raise IndexUnavailable("The vector index was closed.", remedy="open it anew")
        try:
            yield
        except (ApiException, ValueError) as error:
            if collection is not None and self._is_missing(collection, error):
                self._specs.pop(collection, None)
                raise GalleryNotFound(f"There is no collection {collection!r}.") from error
            raise IndexUnavailable(
                f"The Qdrant server could not {attempt}.",
                received=str(error),
                remedy="see that the server runs and that DRAPE_QDRANT_URL and DRAPE_QDRANT_API_KEY are right",
            ) from error

    def _is_missing(self, collection: str, error: Exception) -> bool:
        if isinstance(error, UnexpectedResponse):
            return error.status_code == _NOT_FOUND
        return isinstance(error, ValueError) and not self._client.collection_exists(collection)


def _vector_params(spec: VectorSpec, layout: ServerLayout) -> models.VectorParams:
    is_quantized = spec.quantized and layout.int8
    quantization = models.ScalarQuantization(
        scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
    )
    return models.VectorParams(
        size=spec.size,
        distance=_DISTANCES[spec.distance],
        datatype=models.Datatype.FLOAT16 if spec.half_precision else models.Datatype.FLOAT32,
        quantization_config=quantization if is_quantized else None,
        # What is searched itself stays in memory.
        on_disk=True if layout.on_disk and is_quantized else None,
    )


def _field_schema(kind: FieldType) -> models.PayloadSchemaType | models.KeywordIndexParams:
    match kind:
        case FieldType.TENANT:
            return models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
        case FieldType.KEYWORD:
            return models.PayloadSchemaType.KEYWORD
        case FieldType.INTEGER:
            return models.PayloadSchemaType.INTEGER
        case FieldType.FLOAT:
            return models.PayloadSchemaType.FLOAT


def _spec_of(name: str, found: models.CollectionInfo) -> CollectionSpec:
    metadata = found.config.metadata or {}
    try:
        return spec_from_json(metadata[_SPEC_KEY])
    except (KeyError, TypeError, ValueError) as error:
        raise IndexUnavailable(
            f"The collection {name!r} on the Qdrant server was not made by Drape.",
            received=f"metadata {sorted(metadata)}",
            expected=f"metadata with {_SPEC_KEY!r}",
            remedy="drop that collection, or use another server; servers before 1.16 keep no metadata",
        ) from error


def _exact() -> models.SearchParams:
    return models.SearchParams(exact=True, quantization=models.QuantizationSearchParams(ignore=True))


def _search_params(query: VectorQuery, num_results: int) -> models.SearchParams:
    depth = search_depth(num_results)
    quantization = models.QuantizationSearchParams(rescore=True, oversampling=depth / num_results)
    return _exact() if query.exact else _approximate(depth, quantization)


def _candidate_params(query: VectorQuery, num_candidates: int) -> models.SearchParams:
    # Candidates need no order among themselves, so quantized scores are good enough to choose them by.
    quantization = models.QuantizationSearchParams(rescore=False)
    return _exact() if query.exact else _approximate(candidate_depth(num_candidates), quantization)


def _approximate(depth: int, quantization: models.QuantizationSearchParams) -> models.SearchParams:
    return models.SearchParams(
        hnsw_ef=depth,
        quantization=quantization,
        acorn=models.AcornSearchParams(enable=True, max_selectivity=ACORN_MAX_SELECTIVITY),
    )


def _components(vector: Vector | int) -> list[float] | int:
    if isinstance(vector, int):
        return vector
    components: list[float] = vector.tolist()
    return components


def _server_filter(filter: Filter | None, excluded: tuple[int, ...] = ()) -> models.Filter | None:
    filter = filter or Filter()
    must_not = (*filter.must_not, *((HasId(excluded),) if excluded else ()))
    if not (filter or must_not):
        return None
    return models.Filter(
        must=[_condition(condition) for condition in filter.must] or None,
        should=[_condition(condition) for condition in filter.should] or None,
        must_not=[_condition(condition) for condition in must_not] or None,
    )


def _condition(condition: Condition) -> models.Condition:
    match condition:
        case Match(field, values):
            # Values of one type per condition: the engine looks text and numbers up in different indexes.
            texts: list[Any] = [value for value in values if isinstance(value, str)]
            numbers: list[Any] = [value for value in values if not isinstance(value, str)]
            if texts and numbers:
                return models.Filter(should=[_match_any(field, texts), _match_any(field, numbers)])
            return _match_any(field, texts or numbers)
        case Range(field, at_least, at_most):
            return models.FieldCondition(key=field, range=models.Range(gte=at_least, lte=at_most))
        case HasId(ids):
            return models.HasIdCondition(has_id=[*storable_ids(ids)])
        case IsEmpty(field):
            return models.IsEmptyCondition(is_empty=models.PayloadField(key=field))


def _match_any(field: str, values: list[Any]) -> models.FieldCondition:
    return models.FieldCondition(key=field, match=models.MatchAny(any=values))
