"""Which items are held out from training, decided by their ids alone."""

from __future__ import annotations

import hashlib


def is_held_out(item_id: str, share: float) -> bool:
    """Whether an item is held out: the same on every machine, whatever other items there are.

    The first eight bytes of the id's SHA-256, read as a fraction of 2⁶⁴, lie below the share.

    Args:
        item_id: What must not be split between training and held-out images.
        share: In [0, 1], of items in the long run.

    >>> [is_held_out(item_id, 0.3) for item_id in ("1533", "1534", "1535", "1536", "1537")]
    [True, True, False, False, False]
    """
    return int.from_bytes(hashlib.sha256(item_id.encode("utf-8")).digest()[:8], "big") < share * 2**64
