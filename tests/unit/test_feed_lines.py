"""Lines of a stream: their ends, numbers, offsets, and the bound on memory."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from catalog.feeds.lines import Line, LineSource, split_lines


def lines_of(data, max_line_bytes=1000, chunk_bytes=4):
    return list(split_lines(io.BytesIO(data), max_line_bytes, chunk_bytes))


def test_every_kind_of_line_end_ends_a_line():
    """LF, CR LF and CR each end one line, also where a CR LF falls on the border of two chunks."""
    # Chunks after the 3 bytes looked at for a mark: "\r\nb\r", "c\n".
    assert lines_of(b"aaa\r\nb\rc\n") == [
        Line(1, b"aaa\r\n", 5, 5, False),
        Line(2, b"b\r", 2, 7, False),
        Line(3, b"c\n", 2, 9, False),
    ]


def test_last_line_needs_no_end():
    """What stands after the last line end is a line; nothing after it is none."""
    assert [line.data for line in lines_of(b"a\nb")] == [b"a\n", b"b"]
    assert [line.data for line in lines_of(b"a\n")] == [b"a\n"]
    assert lines_of(b"") == []


def test_byte_order_mark_is_left_out_but_counted():
    """The mark at the very start is no part of the first line, but offsets are those of the file: 3 + 2 = 5."""
    assert lines_of(b"\xef\xbb\xbfa\n") == [Line(1, b"a\n", 2, 5, False)]
    assert lines_of(b"\xef\xbb\xbf") == []


def test_too_long_line_is_cut_to_its_head_and_the_next_is_whole():
    """Of a line over the bound, the first 200 bytes and the true size are known."""
    first, second = lines_of(b"x" * 5000 + b"\r\ny\n", max_line_bytes=1000, chunk_bytes=7)
    assert first == Line(1, b"x" * 200, 5002, 5002, True)
    assert second == Line(2, b"y\n", 2, 5004, False)


def test_line_of_exactly_the_bound_is_whole():
    """The bound counts the line end: 9 + 1 = 10 bytes are allowed, 11 are not."""
    whole, cut = lines_of(b"x" * 9 + b"\n" + b"x" * 10 + b"\n", max_line_bytes=10)
    assert (whole.is_cut, whole.size) == (False, 10)
    assert (cut.is_cut, cut.size) == (True, 11)


def test_too_long_last_line_without_end_is_reported():
    """A file that is one endless line gives that one line."""
    assert lines_of(b"x" * 5000) == [Line(1, b"x" * 200, 5000, 5000, True)]


@given(st.binary(max_size=200).map(lambda data: data.replace(b"\xef\xbb\xbf", b"")), st.integers(1, 20))
def test_lines_are_those_of_splitlines_for_every_chunk_size(data, chunk_bytes):
    """However the stream is cut into chunks, lines are those of ``bytes.splitlines`` and put together are the data."""
    lines = lines_of(data, max_line_bytes=1000, chunk_bytes=chunk_bytes)
    assert [line.data for line in lines] == data.splitlines(keepends=True)
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    assert [line.end for line in lines] == [
        sum(other.size for other in lines[: index + 1]) for index in range(len(lines))
    ]


@given(st.lists(st.sampled_from([b"a", b"bb", b"\n", b"\r", b"\r\n"]), max_size=80), st.integers(1, 9))
def test_cut_lines_have_the_sizes_and_offsets_of_the_whole_ones(parts, chunk_bytes):
    """A bound changes what is kept of a line, never where lines start and end."""
    data = b"".join(parts)
    bounded = lines_of(data, max_line_bytes=3, chunk_bytes=chunk_bytes)
    assert [(line.size, line.end) for line in bounded] == [(line.size, line.end) for line in lines_of(data)]


def test_lines_put_back_come_again_in_order_and_position_stays():
    """Putting lines back repeats them before the rest; the position tells what was read of the stream."""
    source = LineSource(io.BytesIO(b"1\n2\n3\n4\n"), 100)
    taken = [next(source), next(source), next(source)]
    assert source.position == 6
    source.put_back(taken[1:])
    assert [next(source).data for _ in range(3)] == [b"2\n", b"3\n", b"4\n"]
    assert source.position == 8
