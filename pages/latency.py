"""What streaming changes, measured."""

import time
from datetime import UTC, datetime

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.latency import form, latency, measurements
from components.latency.measurements import SavedMeasurement
from components.latency.race import draw_race
from components.page import lesson
from components.page.address import MEASUREMENT, named
from components.page.history import UPLOADED
from components.page.lab import engine
from components.page.presented import may_stop
from components.page.slots import draw_notice
from components.page.texts import plain, t
from components.page.widgets import button
from streamlab.latency.client import Client
from streamlab.latency.difference import SURE, paired_difference
from streamlab.latency.forecast import forecast
from streamlab.latency.gateway import GatewayClient
from streamlab.latency.measurement import Measurement
from streamlab.latency.plan import order
from streamlab.latency.summary import Summary, compare_measurements

POLL_SECONDS = 0.5  # between two looks at a measurement that goes on

lab = engine()


def proves_something() -> bool:
    """Tell whether a measurement of one's own had enough pairs."""
    seen = (saved.measurement.observations for saved in measurements.HISTORY.own)
    return any(len({each.pair for each in found if not each.warm_up}) >= SURE for found in seen)


@st.cache_data(max_entries=50, show_spinner=False)
def summarize(measurement_id: str, calls: int, _measurement: Measurement) -> Summary:
    """Summarize a measurement, cached by its number of calls for everyone who looks."""
    return _measurement.summary


@st.fragment(run_every=POLL_SECONDS)
def draw_live(measurement_id: str) -> None:
    """Draw how far it is, and the pair that is being measured."""
    found = measurements.find(measurement_id)
    if not found or not found.live:
        st.rerun()
    measurement, made = found.measurement, lab.measurements.find(measurement_id)
    plan, done = measurement.plan, len(measurement.observations)
    expected = len(order(plan)) if plan else 0
    with st.container(horizontal=True, vertical_alignment="center"):
        if made and may_stop(measurement_id):  # by this process, and not by another one
            button("latency.stop", "stop_circle", lab.measurements.stop, measurement_id)
        current = made.current if made else None
        age = time.monotonic() - current.began if current else 0.0
        st.progress(done / expected, text=progress(measurement, expected, age))
    if plan:
        draw_race(measurement_id, plan, measurement.observations, current)


def progress(measurement: Measurement, expected: int, age: float) -> str:
    """Say how far it is; `age` is how long the call that is being made has taken."""
    done = len(measurement.observations)
    if not measurement.plan or not measurement.made_at:
        return t("latency.progress_first", expected=expected)
    gone = (datetime.now(UTC) - measurement.made_at).total_seconds()
    spent = [seen.e2e for seen in measurement.observations if seen.e2e]
    left = sum(spent) / len(spent) * (expected - done) - age if spent else forecast(measurement.plan).seconds - gone
    return t("latency.progress", done=done, expected=expected, left=f"{max(1.0, left):.0f}")


def draw_ended(measurement_id: str, saved: SavedMeasurement) -> None:
    measurement = saved.measurement
    if measurement.complete is False:
        draw_early_end(measurement_id, saved)
    if measurement.observations:
        summary = summarize(measurement_id, len(measurement.observations), measurement)
        draw_surer(measurement_id, measurement, place=latency.draw_headline(summary))
        latency.draw_details(measurement, summary)
        with st.expander(t("latency.saving"), icon=":material/download:", type="compact"):
            if other := measurements.draw_saving(measurement_id, measurement):
                changes = compare_measurements(other.measurement.observations, measurement.observations)
                latency.draw_difference(changes, (other.name, saved.name))
    if plan := measurement.plan:
        with st.expander(t("latency.asked", name=plain(saved.name)), icon=":material/help_outline:", type="compact"):
            st.text(plan.prompt)
            if plan.prompt_lengths:
                st.caption(t("latency.lengthened", lengths=" · ".join(f"{each:,}" for each in plan.prompt_lengths)))


def draw_surer(measurement_id: str, measurement: Measurement, place: DeltaGenerator) -> None:
    """Offer to measure again with enough pairs where there were too few."""
    plan = measurement.plan
    if plan and measurement.complete and plan.pairs < SURE and not measurement_id.startswith(UPLOADED):
        surer = form.with_enough_pairs(plan)
        seconds = forecast(surer, measurement.observations).seconds
        label = t("latency.make_sure_in", pairs=surer.pairs, time=form.about(seconds))
        button("latency.make_sure", "done_all", form.begin_again, surer, label=label, place=place)


def draw_early_end(measurement_id: str, saved: SavedMeasurement) -> None:
    """Say that it is not whole, and offer to measure again."""
    measurement = saved.measurement
    expected = len(order(measurement.plan)) if measurement.plan else 0
    ending = "latency.lost" if saved.until else "latency.partial"  # who ends by itself has written so
    st.info(t(ending, done=len(measurement.observations), expected=expected), icon=":material/info:")
    if measurement.plan and not measurement_id.startswith(UPLOADED):
        button("latency.again", "refresh", form.begin_again, measurement.plan, type="primary")


measurement_id = named(MEASUREMENT)
found = measurements.find(measurement_id)
lesson.draw_title("latency", (Client, GatewayClient, paired_difference), tried=proves_something())
draw_notice(st.container())
measurements.draw_list(measurement_id)
if measurement_id and found:
    if found.live:
        draw_live(measurement_id)
    else:
        draw_ended(measurement_id, found)
else:
    if measurement_id:
        measurements.HISTORY.draw_missing(measurement_id)
    form.draw()
