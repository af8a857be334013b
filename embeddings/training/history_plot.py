"""The plot of a training: its loss, and what was measured after every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from embeddings.training.progress import EpochRecord


def plot_history(records: Sequence[EpochRecord], path: Path) -> None:
    """Write a PNG with the loss above and the scores below, over the epochs.

    Args:
        records: At least one.
        path: Where to; an existing file is replaced.
    """
    epochs = [record.epoch for record in records]
    names = list(dict.fromkeys(name for record in records for name in record.scores))
    # A figure of its own with its own canvas: pyplot would look for a screen, and keeps what it draws.
    figure = Figure(figsize=(8, 7 if names else 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2 if names else 1, 1, squeeze=False, sharex=True)[:, 0]
    axes[0].plot(epochs, [record.loss for record in records], color="black", marker="o", markersize=3)
    axes[0].set_ylabel("training loss (LSEP)")
    if names:
        for name in names:
            measured = [(record.epoch, record.scores[name]) for record in records if name in record.scores]
            axes[1].plot(*zip(*measured, strict=True), marker="o", markersize=3, label=name)
        axes[1].set_ylabel("on held-out images")
        axes[1].legend(fontsize="x-small")
    for one in axes:
        one.grid(alpha=0.3)
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.savefig(path, dpi=120, format="png")
