"""How often images are seen in an epoch, so that rare attributes are learnt as well as frequent ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def repeat_factors(targets: NDArray[np.float32], threshold: float) -> NDArray[np.float64]:
    """For each image, how often it should come while an image of frequent attributes comes once.

    An attribute that a share f of the images has calls for max(1, √(t / f)); an image is repeated as its rarest
    attribute asks. Source: Gupta, Dollár and Girshick, "LVIS: A Dataset for Large Vocabulary Instance Segmentation",
    CVPR 2019.

    Args:
        targets: (n, K) in {0, 1}.
        threshold: t in [0, 1]: attributes more frequent than it are not repeated. 0 repeats nothing.

    Returns:
        (n,) float64, ≥ 1.

    >>> repeat_factors(np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32), 1.0).round(3).tolist()
    [1.155, 1.155, 1.155, 2.0]
    """
    shares = targets.mean(axis=0, dtype=np.float64)
    factors = np.maximum(1.0, np.sqrt(threshold / np.where(shares > 0, shares, 1.0)))
    # Attributes that an image does not have count as 1, and so does an image without any.
    of_images: NDArray[np.float64] = np.max(np.where(targets > 0, factors, 1.0), axis=1, initial=1.0)
    return of_images


def repeated_order(
    factors: NDArray[np.float64], num_positions: int, generator: np.random.Generator
) -> NDArray[np.intp]:
    """An epoch's order: positions of images, each as often as its factor says, on average.

    A factor of 1.4 is one time in three epochs of five and two times in the others. Shuffled, then cut to a length that
    is the same for every epoch, so an image of factor 1 may wait for another epoch.

    Args:
        factors: (n,), ≥ 1.
        num_positions: How many to return, at most n.
        generator: Decides; the same state gives the same order.

    Returns:
        (num_positions,).
    """
    whole = np.floor(factors)
    times = (whole + (generator.random(len(factors)) < factors - whole)).astype(np.intp)
    order: NDArray[np.intp] = generator.permutation(np.repeat(np.arange(len(factors)), times))[:num_positions]
    return order
