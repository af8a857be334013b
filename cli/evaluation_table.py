"""An evaluation as the table of the literature: one row per network, feature and metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich import box
from rich.table import Table

from cli.consoles import table_console
from cli.hit_wording import plain_text
from embeddings.evaluation.evaluated_rows import EvaluatedRow
from embeddings.evaluation.report import SHOWN_KS, EvaluationReport, measure_at


def print_report(report: EvaluationReport, *, file: TextIO | None = None) -> None:
    """Print the table with what should be known about it; in a pipe one uncut, uncoloured line per row."""
    console = table_console(file, markup=True)
    dataset = report.dataset
    console.print(
        f"[bold]{plain_text(str(dataset['name']))}[/bold]: {dataset['num_queries']:,} queries, "
        f"gallery of {dataset['num_gallery']:,}",
        soft_wrap=True,
    )
    console.print(_table(report))
    for line in [*_judged(report), *report.notes]:
        console.print(plain_text(line), style="dim", markup=False, soft_wrap=True)


def _table(report: EvaluationReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in ("model", "feature", "size", "metric"):
        table.add_column(name, justify="right" if name == "size" else "left", overflow="fold")
    several = len(report.levels) > 1
    for level in report.levels:
        for k in SHOWN_KS:
            table.add_column(f"{level} p@{k}" if several else f"p@{k}", justify="right")
    if report.has_attributes:
        for k in SHOWN_KS:
            table.add_column(f"IoU@{k}", justify="right")
    previous: str | None = None
    for row in report.rows:
        if previous not in (None, row.model):
            table.add_section()
        previous = row.model
        table.add_row(row.model, row.feature, str(row.size), row.metric, *_values(report, row))
    return table


def _values(report: EvaluationReport, row: EvaluatedRow) -> list[str]:
    curves: list[Sequence[float]] = [row.measures.levels[level].precision for level in report.levels]
    if report.has_attributes:
        curves.append(row.measures.attributes.iou)
    return [_share(measure_at(curve, k)) for curve in curves for k in SHOWN_KS]


def _share(value: float | None) -> str:
    """``.509``; an empty cell where there is no value."""
    if value is None:
        return ""
    text = f"{value:.3f}"
    return text[1:] if text.startswith("0") else text


def _judged(report: EvaluationReport) -> list[str]:
    """Over which queries the means are, where not over all."""
    if not report.rows:
        return []
    levels = report.rows[0].measures.levels
    return [
        f"{level}: {_left_out(measured.num_excluded)}; the means are over {measured.num_queries:,}."
        for level, measured in levels.items()
        if measured.num_excluded
    ]


def _left_out(number: int) -> str:
    if number == 1:
        return "1 query has no relevant image in the gallery and is left out"
    return f"{number:,} queries have no relevant image in the gallery and are left out"
