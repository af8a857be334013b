"""The optimizer of a recipe."""

from __future__ import annotations

from embeddings.backend import keras
from embeddings.training.config import Schedule


def adam(
    learning_rate: float, *, num_steps: int, schedule: Schedule, warm_up: float, weight_decay: float
) -> keras.optimizers.Optimizer:
    """Adam, or AdamW where weights decay. Biases and the constants of batch normalisation do not decay.

    Args:
        learning_rate: The highest the schedule reaches.
        num_steps: Steps of the whole training.
        schedule: How the rate runs over them.
        warm_up: Share of the steps over which ``cosine`` raises the rate from zero.
        weight_decay: Decoupled from the gradient.
    """
    rate: float | keras.optimizers.schedules.LearningRateSchedule = learning_rate
    if schedule is Schedule.COSINE:
        num_warm_up = int(num_steps * warm_up)
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if num_warm_up else learning_rate,
            decay_steps=max(num_steps - num_warm_up, 1),
            warmup_target=learning_rate if num_warm_up else None,
            warmup_steps=num_warm_up,
        )
    if not weight_decay:
        return keras.optimizers.Adam(rate)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
