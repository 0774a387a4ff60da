"""What is listed, by the days of whom it is shown to."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import groupby
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from components.page.texts import t
from streamlab.hub.listing import Entry


def by_day(entries: Iterable[Entry]) -> Iterator[tuple[str, list[Entry]]]:
    """Yield the text for each day, and the entries of that day."""
    zone = _zone()
    today = datetime.now(zone).date()
    for day, those in groupby(entries, lambda entry: datetime.fromtimestamp(entry.at, zone).date()):
        yield _day_text(day, today), list(those)


def time_text(at: float) -> str:
    """Return the time of day, to the second: two of one question may follow each other within a minute."""
    return f"{datetime.fromtimestamp(at, _zone()):%H:%M:%S}"


def _zone() -> tzinfo:
    """Return the time zone of the browser."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):  # the machine knows no zones, or not this one
        return UTC


def _day_text(day: date, today: date) -> str:
    if day >= today:
        return t("history.today")
    if day == today - timedelta(days=1):
        return t("history.yesterday")
    return t("history.day", year=day.year, month=day.month, day=day.day)
