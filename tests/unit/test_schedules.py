"""When something recurring is due."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import InvalidRequest
from catalog.schedules import LONGEST, SHORTEST, Schedule, parse_schedule

TIMES = st.datetimes(
    datetime.datetime(2026, 1, 1), datetime.datetime(2028, 1, 1), timezones=st.just(datetime.UTC)
)  # fmt: skip
SCHEDULES = st.builds(
    lambda minutes: Schedule(every=datetime.timedelta(minutes=minutes)),
    st.integers(int(SHORTEST.total_seconds()) // 60, int(LONGEST.total_seconds()) // 60),
) | st.builds(
    lambda hour, minute: Schedule(daily_at=datetime.time(hour, minute)), st.integers(0, 23), st.integers(0, 59)
)


@given(SCHEDULES)
def test_what_is_written_reads_back(schedule):
    assert parse_schedule(str(schedule)) == schedule


@given(SCHEDULES, TIMES, st.timedeltas(datetime.timedelta(0), datetime.timedelta(days=100)))
def test_the_next_time_is_the_first_after_now_that_follows_from_the_last(schedule, due, late):
    """Not from when it ran: a run that takes ten minutes does not move the next; missed ones are not made up for."""
    now = due + late
    following = schedule.next_after(due, now)
    period = schedule.every or datetime.timedelta(days=1)
    assert now < following <= now + period
    if schedule.every is None:
        assert following.time() == schedule.daily_at
    else:
        assert (following - due) % period == datetime.timedelta(0)


def test_an_interval_begins_at_once_and_a_time_of_the_day_when_it_comes():
    noon = datetime.datetime(2027, 2, 28, 12, 0, tzinfo=datetime.UTC)
    assert parse_schedule("every 6h").first(noon) == noon
    assert parse_schedule("daily 12:01").first(noon) == noon + datetime.timedelta(minutes=1)
    assert parse_schedule("daily 12:00").first(noon) == noon + datetime.timedelta(days=1)
    elsewhere = noon.astimezone(datetime.timezone(datetime.timedelta(hours=14)))
    assert parse_schedule("daily 03:30").first(elsewhere) == datetime.datetime(2027, 3, 1, 3, 30, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    "text",
    ["", "every", "every 6", "every 4m", "every 32d", "every -1h", "daily", "daily 24:00", "daily 3:5", "hourly"],
)
def test_what_is_no_schedule_is_refused(text):
    with pytest.raises(InvalidRequest, match="no schedule"):
        parse_schedule(text)
