"""The measurements, with their downloads and the upload."""

from dataclasses import dataclass
from datetime import datetime
from math import inf

import streamlit as st

from components.latency.report import report
from components.page import settings
from components.page.address import MEASUREMENT, show
from components.page.history import History, keep_file
from components.page.lab import engine
from components.page.session import session
from components.page.texts import LANGUAGE_KEY, t
from components.page.uploads import MB, tell_too_slow, uploader
from components.page.widgets import button, download
from streamlab.browsers.items import Item, Items
from streamlab.latency.measurement import (
    MAX_BYTES,
    BrokenMeasurement,
    Measurement,
    check_measurement,
    read_measurement,
    write_measurement,
)
from streamlab.latency.observation import write_csv, write_lines
from streamlab.latency.plan import Plan
from streamlab.text.reader import TooSlow, read_apart

UPLOAD = "latency.upload"
_REPORT = "latency.report"  # the measurement whose report was asked for
MIME = {"json": "application/json", "jsonl": "application/jsonl", "csv": "text/csv", "zip": "application/zip"}


@dataclass(frozen=True)
class SavedMeasurement:
    """A measurement as it was kept, or one that was uploaded. It goes on before `until`, by the store's clock."""

    name: str
    measurement: Measurement
    until: float = 0.0

    @property
    def live(self) -> bool:
        return engine().hub.shared.now() < self.until


def _read(item: Item) -> SavedMeasurement:
    body = item.body
    whole = read_measurement(body, inf) if len(body) < MB else read_apart(read_measurement, body, inf)
    return SavedMeasurement(item.name, whole, item.until)


def _store() -> Items:
    return engine().kept_measurements.items


HISTORY: History[Item, SavedMeasurement] = History("latency", MEASUREMENT, _store, _read)


def find(measurement_id: str | None) -> SavedMeasurement | None:
    """Return the measurement of this id; of one that this process makes, also what was not written yet."""
    made = engine().measurements.find(measurement_id)
    if made and made.state == "measuring":
        return SavedMeasurement(name_of(made.plan, made.made_at), made.measurement, inf)
    saved = HISTORY.find(measurement_id)
    return SavedMeasurement(saved.name, made.measurement) if saved and made else saved


def name_of(plan: Plan, made_at: datetime) -> str:
    """Return a measurement's name in lists."""
    models = ", ".join(map(settings.model_label, plan.models))
    return t("latency.name", time=f"{made_at:%Y-%m-%d %H:%M:%S} UTC", models=models, pairs=plan.pairs)


def draw_list(current: str | None) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if current:
            button("latency.new", "add", show, MEASUREMENT, None)
        HISTORY.draw(current)
        with st.popover(t("latency.upload"), icon=":material/upload:"):
            uploader(t("latency.upload_what"), ["json", "jsonl"], UPLOAD, _upload, MAX_BYTES // MB)


def draw_saving(measurement_id: str, measurement: Measurement) -> SavedMeasurement | None:
    """Draw the downloads, and return the measurement that is chosen to compare with."""
    with st.container(horizontal=True):
        _draw_downloads(measurement_id, measurement)
    return HISTORY.choose_other(measurement_id)


def _draw_downloads(measurement_id: str, measurement: Measurement) -> None:
    name, calls = f"latency-{measurement_id[:8]}", len(measurement.observations)
    for ending, data in _files(measurement_id, calls, measurement).items():
        download(f"latency.download_{ending}", data, f"{name}.{ending}", MIME[ending], width="content")
    # It takes a moment, so it is made for those who want it.
    if st.button(t("latency.make_report"), key="latency.make_report"):
        st.session_state[_REPORT] = measurement_id
    if st.session_state.get(_REPORT) == measurement_id:
        data = _report(measurement_id, calls, st.session_state[LANGUAGE_KEY], measurement)
        download("latency.download_zip", data, f"{name}.zip", MIME["zip"], width="content")


# Made here and not by the button: what it calls runs on the server's event loop, and without the session's language.
# One that was stopped may still get the call that was under way, so the number of calls is part of the key.
@st.cache_data(max_entries=20, show_spinner=False)
def _files(measurement_id: str, calls: int, _measurement: Measurement) -> dict[str, bytes]:
    seen, plan, made_at = _measurement.observations, _measurement.plan, _measurement.made_at
    files = {"jsonl": write_lines(seen), "csv": write_csv(seen)}
    if plan and made_at:
        files = {"json": write_measurement(seen, plan, made_at, complete=bool(_measurement.complete)), **files}
    return files


@st.cache_data(max_entries=20, show_spinner=False)
def _report(measurement_id: str, calls: int, language: str, _measurement: Measurement) -> bytes:
    return report(_measurement)


def _upload() -> None:
    """Keep the uploaded measurement; a broken one changes nothing."""
    if file := st.session_state[UPLOAD]:
        try:
            read_apart(check_measurement, data := file.getvalue())
            keep_file(_store(), MEASUREMENT, file.name, data)
        except TooSlow:
            tell_too_slow()
        except BrokenMeasurement as error:
            key = "latency.broken_line" if error.line else "latency.broken"
            session().notice = t(key, line=error.line, reason=t(f"latency.broken_{error.code}"))
