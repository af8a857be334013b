"""The curves of an evaluation as figures: precision@k as in the paper's figure 3, top-k accuracy as in its figure 4."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embeddings.evaluation.report import EvaluationReport

if TYPE_CHECKING:
    from embeddings.evaluation.evaluated_rows import EvaluatedRow

# Okabe and Ito's palette, which people with any colour vision can tell apart, without its yellow, which is too light
# on white; curves beyond it repeat the colours with other lines and marks.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
_LINES = ("-", "--", ":", "-.")
_MARKS = ("o", "s", "^", "D", "v", "P", "X")
_FORMATS = ("png", "svg")


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    y_label: str
    curve: Callable[[EvaluatedRow], Sequence[float]]


def write_figures(report: EvaluationReport, folder: Path) -> list[Path]:
    """``fig3`` and ``fig4`` as PNG and SVG: one curve per row of the table, one panel per thing queries are judged by.

    ``fig3`` shows precision@k of each level of labels, finest first, and the attribute IoU of the first k; ``fig4``
    top-k accuracy of each level. The engine's answers are left out: they lie on the curves of the exact rows that they
    approximate, but for what the index loses. A figure without anything to show is not written.

    Returns:
        The files.
    """
    drawn = [row for row in report.rows if not row.is_engine]
    name = str(report.dataset["name"])
    precision = [
        _Panel(f"by {level}", "precision@k", lambda row, level=level: row.measures.levels[level].precision)  # type: ignore[misc]
        for level in report.levels
    ]
    if report.has_attributes:
        precision.append(
            _Panel("attributes", "mean attribute IoU of the first k", lambda row: row.measures.attributes.iou)
        )
    accuracy = [
        _Panel(
            f"by {level}",
            "share of queries with a relevant result among the first k",
            lambda row, level=level: row.measures.levels[level].top_k_accuracy,  # type: ignore[misc]
        )
        for level in report.levels
    ]
    return [
        *_write(drawn, precision, folder / "fig3", most=10, title=f"The first k results: {name}"),
        *_write(drawn, accuracy, folder / "fig4", most=50, title=f"Top-k accuracy: {name}"),
    ]


def _write(rows: Sequence[EvaluatedRow], panels: Sequence[_Panel], path: Path, *, most: int, title: str) -> list[Path]:
    if not panels:
        return []
    # Here because it takes a second to import. The object is used directly: pyplot would look for a screen.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    several_models = len({row.model for row in rows}) > 1
    # A legend below the axes takes a line per curve, so that long names neither cover curves nor are cut.
    figure = Figure(figsize=(max(7.2, 4.8 * len(panels)), 4.2 + 0.24 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        highest = 0.0
        for number, row in enumerate(rows):
            values = panel.curve(row)[:most]
            highest = max([highest, *values])
            label = f"{row.feature} ({row.metric}, {row.size})"
            axes.plot(
                range(1, len(values) + 1),
                values,
                color=_COLOURS[number % len(_COLOURS)],
                linestyle=_LINES[number // len(_COLOURS) % len(_LINES)],
                marker=_MARKS[number % len(_MARKS)],
                markersize=4.5,
                markevery=max(1, most // 10),
                linewidth=1.6,
                label=f"{row.model}: {label}" if several_models else label,
            )
        axes.set_title(panel.title, fontsize=10)
        axes.set_xlabel("k")
        axes.set_ylabel(panel.y_label, fontsize=9)
        axes.set_ylim(0, min(1.02, highest * 1.1 + 0.02))
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        axes.grid(True, color="#dddddd", linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=11, wrap=True)
    # The curves of all panels are the same rows.
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", fontsize=8, frameon=False)
    written = []
    for kind in _FORMATS:
        target = path.with_suffix(f".{kind}")
        figure.savefig(target, dpi=160)
        written.append(target)
    return written
