"""Files of a version's folder that its manifest does not name: what is known of its training."""

from __future__ import annotations

from typing import Final

from embeddings.training.held_out_pictures import HELD_OUT_FILE
from embeddings.training.history import HISTORY_FILES

COMPANION_FILES: Final = (*HISTORY_FILES, HELD_OUT_FILE)
"""Versions run without them; versions made of others and archives take them along, where there are any."""
