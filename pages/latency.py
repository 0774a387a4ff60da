"""What streaming changes, measured."""

import streamlit as st

from components.latency import form, latency, measurements
from components.latency.measurements import SavedMeasurement
from components.page import lesson
from components.page.address import MEASUREMENT, named
from components.page.lab import engine
from components.page.slots import draw_notice
from components.page.texts import plain, t
from components.page.widgets import button
from streamlab.latency.client import Client
from streamlab.latency.difference import SURE, paired_difference
from streamlab.latency.gateway import GatewayClient
from streamlab.latency.measurement import Measurement
from streamlab.latency.measurements import Measuring
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
def draw_live(measuring_id: str) -> None:
    """Draw the progress, and what is known so far."""
    found = lab.measurements.find(measuring_id)
    if not found or found.state != "measuring":
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        button("latency.stop", "stop_circle", lab.measurements.stop, measuring_id)
        st.progress(len(found.observations) / found.expected, text=progress(found))
    if any(not seen.warm_up for seen in found.observations):
        latency.draw(found.measurement, summarize(found.id, len(found.observations), found.measurement))
    else:
        st.caption(f":shimmer[{t('latency.warming_up')} …]")


def progress(found: Measuring) -> str:
    done, left = len(found.observations), found.left
    if left is None:
        return t("latency.progress_first", expected=found.expected)
    return t("latency.progress", done=done, expected=found.expected, left=f"{left:.0f}")


def draw_ended(measurement_id: str, saved: SavedMeasurement) -> None:
    measurement = saved.measurement
    if measurement.complete is False:
        count = len(measurement.observations)
        st.info(t("latency.partial", calls=count), icon=":material/info:")
    if plan := measurement.plan:
        with st.expander(t("latency.asked", name=plain(saved.name)), icon=":material/help_outline:", type="compact"):
            st.text(plan.prompt)
    latency.draw(measurement, summarize(measurement_id, len(measurement.observations), measurement))
    if other := measurements.HISTORY.choose_other(measurement_id):
        changes = compare_measurements(other.measurement.observations, measurement.observations)
        latency.draw_difference(changes, (other.name, saved.name))


measurement_id = named(MEASUREMENT)
found = lab.measurements.find(measurement_id)
if found and found.state != "measuring":
    measurements.HISTORY.keep(found.id, SavedMeasurement(measurements.name_of(found.measurement), found.measurement))
lesson.draw_title("latency", (Client, GatewayClient, paired_difference), tried=proves_something())
draw_notice(st.container())
measurements.draw_list(measurement_id)
if measurement_id and (saved := measurements.HISTORY.find(measurement_id)):
    draw_ended(measurement_id, saved)
elif measurement_id and found:
    draw_live(measurement_id)
else:
    if measurement_id:
        st.warning(t("latency.unknown"), icon=":material/link_off:")
    st.markdown(t("latency.what"))
    form.draw()
