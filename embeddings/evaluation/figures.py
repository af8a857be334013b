"""The curves of an evaluation as figures: precision@k as in the paper's figure 3, top-k accuracy as in its figure 4."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def write_figures(report: EvaluationReport, folder: Path) -> list[Path]:
    """``fig3`` and ``fig4`` as PNG and SVG: one curve per row of the table, at the finest level of labels.

    The engine's answers are left out: they lie on the curves of the exact rows that they approximate, but for what the
    index loses. Nothing is written where no query could be judged by labels.

    Returns:
        The files.
    """
    if not report.levels:
        return []
    level = report.levels[0]
    drawn = [row for row in report.rows if not row.is_engine]
    name = str(report.dataset["name"])
    return [
        *_write(
            drawn,
            folder / "fig3",
            most=10,
            title=f"Precision@k by {level}: {name}",
            y_label="precision@k",
            curve=lambda row: row.measures.levels[level].precision,
        ),
        *_write(
            drawn,
            folder / "fig4",
            most=50,
            title=f"Top-k accuracy by {level}: {name}",
            y_label="share of queries with a relevant result among the first k",
            curve=lambda row: row.measures.levels[level].top_k_accuracy,
        ),
    ]


def _write(
    rows: Sequence[EvaluatedRow],
    path: Path,
    *,
    most: int,
    title: str,
    y_label: str,
    curve: Callable[[EvaluatedRow], Sequence[float]],
) -> list[Path]:
    # Here because it takes a second to import. The object is used directly: pyplot would look for a screen.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    several_models = len({row.model for row in rows}) > 1
    # A legend below the axes takes a line per curve, so that long names neither cover curves nor are cut.
    height = 4.2 + 0.24 * len(rows)
    figure = Figure(figsize=(7.2, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    highest = 0.0
    for number, row in enumerate(rows):
        values = curve(row)[:most]
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
    axes.set_title(title, fontsize=11, wrap=True)
    axes.set_xlabel("k")
    axes.set_ylabel(y_label, fontsize=9)
    axes.set_ylim(0, min(1.02, highest * 1.1 + 0.02))
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.grid(True, color="#dddddd", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower left", fontsize=8, frameon=False)
    written = []
    for kind in _FORMATS:
        target = path.with_suffix(f".{kind}")
        figure.savefig(target, dpi=160)
        written.append(target)
    return written
