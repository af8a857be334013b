"""What ``drape evaluate`` leaves in its folder: results as JSON and CSV, the curves' figures, a result sheet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from catalog.types import Availability, Hit, SearchAnswer, SearchMode
from cli.result_sheet import SheetSection, write_result_sheet
from embeddings.crop_box import CropBox
from embeddings.datasets.records import Dataset, DatasetImage
from embeddings.evaluation.evaluated_rows import EvaluatedRow
from embeddings.evaluation.figures import write_figures
from embeddings.evaluation.report import EvaluationReport, measure_at, write_csv, write_json
from embeddings.images import decode_image

_MAX_PIXELS = 64_000_000
_SHOWN_ATTRIBUTES = 6

ReadImage = Callable[[DatasetImage], bytes]


def write_evaluation(
    report: EvaluationReport, dataset: Dataset, folder: Path, read_image: ReadImage, *, num_queries: int
) -> list[Path]:
    """Write ``results.json``, ``results.csv``, ``fig3`` and ``fig4`` (PNG, SVG) and ``result-sheet.html``.

    Files of these names are replaced. There are no figures where no query could be judged by labels, and no sheet for
    no queries.

    Args:
        num_queries: How many queries the sheet shows, spread evenly over those that can be judged.

    Returns:
        The files written.
    """
    results, table = folder / "results.json", folder / "results.csv"
    write_json(report, results)
    write_csv(report, table)
    written = [results, table, *write_figures(report, folder)]
    if num_queries and report.rows:
        sheet = folder / "result-sheet.html"
        _write_sheet(report, dataset, sheet, read_image, num_queries)
        written.append(sheet)
    return written


def _write_sheet(
    report: EvaluationReport, dataset: Dataset, path: Path, read_image: ReadImage, num_queries: int
) -> None:
    level = report.levels[0] if report.levels else None
    rows = _best_of_each_model(report, level)
    sections = [
        _section(dataset, row, int(query), level, read_image)
        for query in _chosen(dataset, level, num_queries)
        for row in rows
    ]
    write_result_sheet(
        path,
        sections,
        lambda position: _picture(dataset.gallery[int(position)], read_image),
        title=f"What is found in {dataset.name}",
        facts={
            "Queries": f"{len(dataset.queries):,}",
            "Gallery": f"{len(dataset.gallery):,} images",
        },
    )


def _best_of_each_model(report: EvaluationReport, level: str | None) -> list[EvaluatedRow]:
    """Every network by the feature that serves it best at rank 1, the engine's answers left out."""

    def at_first_rank(row: EvaluatedRow) -> float:
        measures = row.measures
        curve = measures.attributes.iou if level is None else measures.levels[level].precision
        return measure_at(curve, 1) or 0.0

    best: dict[str, EvaluatedRow] = {}
    for row in report.rows:
        if not row.is_engine and (row.model not in best or at_first_rank(row) > at_first_rank(best[row.model])):
            best[row.model] = row
    return list(best.values())


def _chosen(dataset: Dataset, level: str | None, num_queries: int) -> list[int]:
    """Positions of queries spread evenly over those that have something to find."""
    if level is None:
        judged = [number for number, image in enumerate(dataset.queries) if image.attributes]
    else:
        pictures: dict[str, set[object]] = {}
        for image in dataset.gallery:
            pictures.setdefault(image.labels[level], set()).add((image.path, image.crop))
        judged = [
            number
            for number, image in enumerate(dataset.queries)
            if pictures.get(image.labels[level], set()) - {(image.path, image.crop)}
        ]
    count = min(num_queries, len(judged))
    return [judged[at] for at in np.linspace(0, len(judged) - 1, count).round().astype(int)]


def _section(
    dataset: Dataset, row: EvaluatedRow, number: int, level: str | None, read_image: ReadImage
) -> SheetSection:
    query = dataset.queries[number]
    found = [int(position) for position in row.ranking[number]]
    right = frozenset(str(position) for position in found if _is_right(query, dataset.gallery[position], level))
    mode = _mode(row)
    hits = tuple(_hit(rank, position, dataset.gallery[position], level) for rank, position in enumerate(found, 1))
    return SheetSection(
        heading=f"{row.model}: {row.feature}, {row.metric}",
        answer=SearchAnswer(hits, mode, row.model, "", {}),
        query_image=_picture(query, read_image),
        query_caption=_caption(query, level),
        same_items=right,
        same_word=level or "attributes",
        # A ranking is kept without its scores, which differ from feature to feature in what they mean.
        show_scores=False,
    )


def _mode(row: EvaluatedRow) -> SearchMode:
    """The one whose words say what a row was ranked by."""
    if " + " in row.feature:
        return SearchMode.FUSED
    return SearchMode.NATIVE if row.feature.startswith("prob") else SearchMode.VISUAL


def _is_right(query: DatasetImage, found: DatasetImage, level: str | None) -> bool:
    if level is None:
        return set(query.attributes) == set(found.attributes)
    return query.labels[level] == found.labels[level]


def _hit(rank: int, position: int, image: DatasetImage, level: str | None) -> Hit:
    return Hit(
        rank=rank,
        score=0.0,
        external_id=str(position),
        image_id=position,
        image_sha256=str(position),
        title=_caption(image, level),
        category=(image.category,) if image.category else (),
        attributes=image.attributes,
        price=None,
        availability=Availability.IN_STOCK,
        link=None,
        item_group=None,
        why=(),
    )


def _caption(image: DatasetImage, level: str | None) -> str:
    """Its label where there are labels, else its first attributes."""
    if level is not None:
        return image.labels[level]
    return ", ".join(image.attributes[:_SHOWN_ATTRIBUTES]) or image.path.name


def _picture(image: DatasetImage, read_image: ReadImage) -> bytes:
    """What the network saw of the image: its crop, as PNG; the whole file where it has none."""
    content = read_image(image)
    return content if image.crop is None else _cropped(content, image.crop)


def _cropped(content: bytes, crop: CropBox) -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(decode_image(content, max_pixels=_MAX_PIXELS, crop=crop)).save(file, "PNG")
    return file.getvalue()
