"""What streaming changes, measured."""

from datetime import UTC, datetime

import streamlit as st

from components.latency import form, latency, measurements
from components.latency.measurements import SavedMeasurement
from components.page import lesson
from components.page.address import MEASUREMENT, named
from components.page.history import UPLOADED
from components.page.lab import engine
from components.page.slots import draw_notice
from components.page.texts import plain, t
from components.page.widgets import button
from streamlab.latency.client import Client
from streamlab.latency.difference import SURE, paired_difference
from streamlab.latency.gateway import GatewayClient
from streamlab.latency.measurement import Measurement
from streamlab.latency.plan import order
from streamlab.latency.summary import Summary, compare_measurements

POLL_SECONDS = 1.0  # between two looks at a measurement that goes on

lab = engine()


def proves_something() -> bool:
    """Tell whether a measurement of this session had enough pairs."""
    seen = (saved.measurement.observations for saved in measurements.HISTORY.items.values())
    return any(len({each.pair for each in found if not each.warm_up}) >= SURE for found in seen)


@st.cache_data(max_entries=50, show_spinner=False)
def summarize(measurement_id: str, calls: int, _measurement: Measurement) -> Summary:
    """Summarize a measurement, cached by its number of calls for everyone who looks."""
    return _measurement.summary


@st.fragment(run_every=POLL_SECONDS)
def draw_live(measurement_id: str) -> None:
    """Draw the progress, and what is known so far."""
    found = measurements.find(measurement_id)
    if not found or not found.live:
        st.rerun()
    measurement = found.measurement
    done, expected = len(measurement.observations), len(order(measurement.plan)) if measurement.plan else 0
    with st.container(horizontal=True, vertical_alignment="center"):
        if lab.measurements.find(measurement_id):  # it is made by this process, and not by another one
            button("latency.stop", "stop_circle", lab.measurements.stop, measurement_id)
        st.progress(done / expected, text=progress(measurement, expected))
    if any(not seen.warm_up for seen in measurement.observations):
        latency.draw(measurement, summarize(measurement_id, done, measurement))
    else:
        st.caption(f":shimmer[{t('latency.warming_up')} …]")


def progress(measurement: Measurement, expected: int) -> str:
    done = len(measurement.observations)
    if not done or not measurement.made_at:
        return t("latency.progress_first", expected=expected)
    left = (datetime.now(UTC) - measurement.made_at).total_seconds() / done * (expected - done)
    return t("latency.progress", done=done, expected=expected, left=f"{max(0.0, left):.0f}")


def draw_ended(measurement_id: str, saved: SavedMeasurement) -> None:
    measurement = saved.measurement
    if measurement.complete is False:
        expected = len(order(measurement.plan)) if measurement.plan else 0
        ending = "latency.lost" if saved.until else "latency.partial"  # who ends by itself has written so
        st.info(t(ending, done=len(measurement.observations), expected=expected), icon=":material/info:")
        if measurement.plan and not measurement_id.startswith(UPLOADED):
            button("latency.again", "refresh", form.begin_again, measurement.plan, type="primary")
    if plan := measurement.plan:
        with st.expander(t("latency.asked", name=plain(saved.name)), icon=":material/help_outline:", type="compact"):
            st.text(plan.prompt)
    if measurement.observations:
        latency.draw(measurement, summarize(measurement_id, len(measurement.observations), measurement))
    if other := measurements.HISTORY.choose_other(measurement_id):
        changes = compare_measurements(other.measurement.observations, measurement.observations)
        latency.draw_difference(changes, (other.name, saved.name))


measurement_id = named(MEASUREMENT)
found = measurements.find(measurement_id)
lesson.draw_title("latency", (Client, GatewayClient, paired_difference), tried=proves_something())
draw_notice(st.container())
measurements.draw_list(measurement_id, found)
if measurement_id and found:
    if found.live:
        draw_live(measurement_id)
    else:
        draw_ended(measurement_id, found)
else:
    if measurement_id:
        measurements.HISTORY.draw_missing(measurement_id)
    st.markdown(t("latency.what"))
    form.draw()
