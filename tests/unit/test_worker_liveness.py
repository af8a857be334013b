"""A worker that has touched its file lately is alive."""

from __future__ import annotations

import os

from workers.liveness import LONGEST_SILENCE, is_alive, touch


def test_silence_is_borne_as_long_as_a_task_may_take(tmp_path):
    path = tmp_path / "alive"
    assert not is_alive(path)
    touch(path)
    assert is_alive(path)
    os.utime(path, (1000.0, 1000.0))
    assert is_alive(path, now=1000.0 + LONGEST_SILENCE)
    assert not is_alive(path, now=1000.1 + LONGEST_SILENCE)
