"""What ingests changed: noted product by product, looked at, and put back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, cast, delete, func, literal, literal_column, select, update
from sqlalchemy.dialects.postgresql import JSONB, Insert, insert
from sqlalchemy.orm import Session

from catalog.repositories.row_counts import num_rows
from catalog.rows import (
    ChangeKind,
    ChangeUndoing,
    FeedSightingRow,
    ImageFetchRow,
    ImageRow,
    JobRow,
    ProductChangeRow,
    ProductRow,
)

_PAGE = 500


@dataclass(frozen=True, slots=True)
class ProductChange:
    """What an ingest did to one product; ``ProductChangeRow`` tells of the fields.

    Args:
        title: The product's, as the ingest left it; of a removed product, its last.
    """

    external_id: str
    product_id: int
    kind: ChangeKind
    title: str
    fields: tuple[str, ...]
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    undoing: ChangeUndoing | None = None


class ChangeRepository:
    """Questions about what ingests changed."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def note(self, job_id: int, changes: Sequence[ProductChange]) -> None:
        """Write down what the job did to products."""
        if changes:
            self._session.execute(
                insert(ProductChangeRow),
                [
                    {
                        "job_id": job_id,
                        "external_id": change.external_id,
                        "product_id": change.product_id,
                        "kind": change.kind,
                        "title": change.title,
                        "fields": list(change.fields),
                        "before": None if change.before is None else dict(change.before),
                        "after": None if change.after is None else dict(change.after),
                    }
                    for change in changes
                ],
            )

    def note_removals(self, merchant_id: int, job_id: int) -> None:
        """Write down, whole, the merchant's products that the job's feed did not have, before they are removed."""
        sighted = select(literal(1)).where(
            FeedSightingRow.job_id == job_id, FeedSightingRow.external_id == ProductRow.external_id
        )
        self._session.execute(_removals(job_id, ProductRow.merchant_id == merchant_id, ~sighted.exists()))

    def note_removal(self, job_id: int, product_id: int) -> None:
        """Write down a product whole before it is removed; in place of what the job noted of an earlier one of its id.

        One may come back after it was removed, and be removed again by the same job.
        """
        noted = _removals(job_id, ProductRow.id == product_id)
        names = ("product_id", "title", "before")
        self._session.execute(
            noted.on_conflict_do_update(
                index_elements=[ProductChangeRow.job_id, ProductChangeRow.external_id],
                set_={**{name: noted.excluded[name] for name in names}, "undoing": None},
            )
        )

    def whole_images(self, product_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
        """The images of these products as JSON, with all their columns and ``relative_crop``, by product id."""
        if not product_ids:
            return {}
        rows = self._session.execute(
            select(ImageRow.product_id, _whole_image())
            .where(ImageRow.product_id.in_(product_ids))
            .order_by(ImageRow.product_id, ImageRow.position, ImageRow.id)
        )
        found: dict[int, list[dict[str, Any]]] = {}
        for product_id, image in rows:
            found.setdefault(product_id, []).append(image)
        return found

    def keep_latest(self, merchant_id: int, kind: str, runs: int) -> None:
        """Drop what jobs of this kind changed, but for the merchant's latest runs."""
        jobs = select(JobRow.id).where(JobRow.merchant_id == merchant_id, JobRow.kind == kind)
        latest = jobs.order_by(JobRow.id.desc()).limit(runs)
        self._session.execute(
            delete(ProductChangeRow)
            .where(ProductChangeRow.job_id.in_(jobs), ProductChangeRow.job_id.not_in(latest))
            .execution_options(synchronize_session=False)
        )

    def latest_run(self, merchant_id: int, kind: str) -> int | None:
        """The merchant's latest job of this kind that changed any product, of those whose changes are kept."""
        has_changed = select(literal(1)).where(ProductChangeRow.job_id == JobRow.id).exists()
        return self._session.execute(
            select(JobRow.id)
            .where(JobRow.merchant_id == merchant_id, JobRow.kind == kind, has_changed)
            .order_by(JobRow.id.desc())
            .limit(1)
        ).scalar_one_or_none()

    def counts(self, job_ids: Sequence[int]) -> dict[int, int]:
        """How many products each of the jobs changed, as far as that is kept."""
        counted = (
            select(ProductChangeRow.job_id, func.count())
            .where(ProductChangeRow.job_id.in_(job_ids))
            .group_by(ProductChangeRow.job_id)
        )
        return dict(self._session.execute(counted).all())

    def count_left(self, job_id: int) -> int:
        """How many of the job's changes are neither undone nor kept after all."""
        return self._session.execute(
            select(func.count())
            .select_from(ProductChangeRow)
            .where(ProductChangeRow.job_id == job_id, ProductChangeRow.undoing.is_(None))
        ).scalar_one()

    def of(self, job_id: int, after: str = "", limit: int = _PAGE, *, left: bool = False) -> list[ProductChange]:
        """What the job changed, by external id in the order of its bytes, those above ``after``.

        Args:
            left: Only what nobody has undone yet.
        """
        changes = (
            select(
                ProductChangeRow.external_id,
                ProductChangeRow.product_id,
                ProductChangeRow.kind,
                ProductChangeRow.title,
                ProductChangeRow.fields,
                ProductChangeRow.before,
                ProductChangeRow.after,
                ProductChangeRow.undoing,
            )
            .where(ProductChangeRow.job_id == job_id, ProductChangeRow.external_id > after)
            .order_by(ProductChangeRow.external_id)
            .limit(limit)
        )
        if left:
            changes = changes.where(ProductChangeRow.undoing.is_(None))
        return [
            ProductChange(
                external_id,
                product_id,
                ChangeKind(kind),
                title,
                tuple(fields),
                before,
                later,
                None if undoing is None else ChangeUndoing(undoing),
            )
            for external_id, product_id, kind, title, fields, before, later, undoing in self._session.execute(changes)
        ]

    def note_undoing(self, job_id: int, external_ids: Sequence[str], undoing: ChangeUndoing) -> None:
        """Write down what came of undoing these changes."""
        if external_ids:
            self._session.execute(
                update(ProductChangeRow)
                .where(ProductChangeRow.job_id == job_id, ProductChangeRow.external_id.in_(external_ids))
                .values(undoing=undoing)
                .execution_options(synchronize_session=False)
            )

    def untouched(self, product_ids: Sequence[int]) -> set[int]:
        """Those of the products that are as they were inserted."""
        rows = self._session.execute(
            select(ProductRow.id).where(ProductRow.id.in_(product_ids), ProductRow.updated_at == ProductRow.created_at)
        )
        return set(rows.scalars())

    def remove_products(self, product_ids: Sequence[int]) -> int:
        """Remove products and their images; returns how many. Mark the images dirty first."""
        removal = delete(ProductRow).where(ProductRow.id.in_(product_ids))
        return num_rows(self._session.execute(removal.execution_options(synchronize_session=False)))

    def restore_products(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
        """Insert products that were written down whole; their new ids by external id."""
        if not rows:
            return {}
        names, held = _held(ProductRow.__table__, rows, leave_out={"id"})
        restored = insert(ProductRow).from_select(names, select(*held)).returning(ProductRow.external_id, ProductRow.id)
        return {row[0]: row[1] for row in self._session.execute(restored)}

    def overwrite_products(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put back columns of products; each row carries the product's ``id`` and the same columns as the others."""
        if rows:
            names, held = _held(ProductRow.__table__, rows, leave_out={"id"}, add=("id",))
            self._session.execute(
                update(ProductRow)
                .where(ProductRow.id == held[-1])
                .values({**dict(zip(names, held, strict=False)), "updated_at": func.now()})
                .execution_options(synchronize_session=False)
            )

    def restore_images(self, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        """Insert images that were written down whole, under new ids, which are returned."""
        if not rows:
            return []
        names, held = _held(ImageRow.__table__, rows, leave_out={"id", "revision"})
        restored = insert(ImageRow).from_select(names, select(*held)).returning(ImageRow.id)
        return list(self._session.execute(restored).scalars())

    def overwrite_images(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put back all columns of images; each row carries the id that the image has now."""
        if rows:
            names, held = _held(ImageRow.__table__, rows, leave_out={"id", "revision"}, add=("id",))
            self._session.execute(
                update(ImageRow)
                .where(ImageRow.id == held[-1])
                .values(dict(zip(names, held, strict=False)))
                .execution_options(synchronize_session=False)
            )


def _removals(job_id: int, *which: ColumnElement[bool]) -> Insert:
    """Notes of products, whole, as removed by the job."""
    images = (
        select(func.jsonb_agg(_whole_image()))
        .where(ImageRow.product_id == ProductRow.id)
        .correlate(ProductRow)
        .scalar_subquery()
    )
    removals = select(
        literal(job_id),
        ProductRow.external_id,
        ProductRow.id,
        literal(ChangeKind.REMOVED.value),
        ProductRow.title,
        literal_column("ARRAY[]::text[]"),
        func.jsonb_build_object("columns", _whole(ProductRow), "images", func.coalesce(images, cast("[]", JSONB))),
    ).where(*which)
    names = ["job_id", "external_id", "product_id", "kind", "title", "fields", "before"]
    return insert(ProductChangeRow).from_select(names, removals)


def _whole(table: type[ProductRow] | type[ImageRow]) -> Any:  # noqa: ANN401 - an SQL expression.
    return func.to_jsonb(literal_column(table.__tablename__), type_=JSONB)


def _whole_image() -> Any:  # noqa: ANN401 - an SQL expression.
    """With the box in shares of it, which its fetch keeps."""
    box = (
        select(func.to_jsonb(ImageFetchRow.relative_crop))
        .where(ImageFetchRow.image_id == ImageRow.id)
        .correlate(ImageRow)
        .scalar_subquery()
    )
    return _whole(ImageRow).concat(func.jsonb_build_object("relative_crop", box))


def _held(
    table: Any,  # noqa: ANN401 - a table, which SQLAlchemy types as any selectable.
    rows: Sequence[Mapping[str, Any]],
    *,
    leave_out: set[str],
    add: Sequence[str] = (),
) -> tuple[list[str], list[Any]]:
    """Columns of JSON rows as PostgreSQL reads them into the table's types.

    All rows have the same keys. A column that they lack, because it is younger than they are, is left out.

    Returns:
        The names of the columns, and the columns of the JSON rows; at their end those to ``add``, which are not named.
    """
    names = [each.name for each in table.columns if each.name in rows[0] and each.name not in leave_out]
    typed = [Column(name, table.columns[name].type) for name in [*names, *add]]
    held = func.jsonb_populate_recordset(
        literal_column(f"NULL::{table.name}"), cast([dict(row) for row in rows], JSONB)
    ).table_valued(*typed, name="held")
    return names, [held.c[column.name] for column in typed]
