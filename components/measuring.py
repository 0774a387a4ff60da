"""What is to be measured, and the measurements of this session: to come back to, to bring along, to take away."""

import secrets

import streamlit as st

from components import sidebar
from components.report import report
from components.state import MEASUREMENT, Measured, engine, keep_measurement, session, show
from components.texts import t
from streamlab.latency.measurement import BrokenMeasurement, Measurement, read_measurement, write_measurement
from streamlab.latency.observation import write_csv, write_lines
from streamlab.latency.plan import WAYS, Plan
from streamlab.measurements import TooManyMeasurements

LENGTHS = {"short": 50, "medium": 200, "long": 600, "unlimited": None}  # tokens
MODELS, PROMPT, LENGTH, PAIRS, CHOSEN_WAYS, TARGET, UPLOAD = (
    f"latency.{name}" for name in ("models", "prompt", "length", "pairs", "ways", "target", "upload")
)


def draw_plan() -> None:
    """The controls, and the button that starts."""
    lab = engine()
    names = lab.portal.call(lab.models.names)
    state = st.session_state
    for key, value in ((MODELS, [sidebar.options().model]), (PROMPT, t("latency.prompt_default")), (LENGTH, "medium")):
        state.setdefault(key, value)
    with st.container(border=True):
        left, right = st.columns([3, 2], gap="large")
        with left:
            st.multiselect(t("latency.models"), names, key=MODELS, format_func=sidebar.model_label, max_selections=4)
            st.text_area(t("latency.prompt"), key=PROMPT, max_chars=32_000, height=110)
        with right:
            st.pills(
                t("latency.length"),
                list(LENGTHS),
                required=True,
                format_func=lambda name: t(f"latency.length_{name}"),
                key=LENGTH,
                help=t("latency.length_help"),
                wrap=True,
            )
            st.pills(
                t("latency.ways"),
                WAYS,
                selection_mode="multi",
                default=WAYS,
                format_func=lambda way: t(f"latency.way_{way}"),
                key=CHOSEN_WAYS,
                wrap=True,
            )
            pairs, target = st.columns(2)
            pairs.number_input(t("latency.pairs"), 1, 100, 10, key=PAIRS, help=t("latency.pairs_help"))
            target.number_input(
                t("latency.target"), 0.1, 60.0, 1.0, step=0.1, key=TARGET, help=t("latency.target_help"), format="%.1f"
            )
        ready = bool(state[MODELS] and state[CHOSEN_WAYS] and state[PROMPT].strip())
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                t("latency.start"),
                key="latency.start",
                type="primary",
                icon=":material/timer:",
                disabled=not ready,
                on_click=start,
            )
            st.caption(t("latency.start_help") if ready else t("latency.incomplete"))


def start() -> None:
    """Measure what the controls say."""
    state, options = st.session_state, sidebar.options()
    plan = Plan(
        models=tuple(state[MODELS]),
        prompt=state[PROMPT],
        system=options.system,
        temperature=options.temperature,
        max_tokens=LENGTHS[state[LENGTH]],
        pairs=state[PAIRS],
        ways=tuple(way for way in WAYS if way in state[CHOSEN_WAYS]),
        target=state[TARGET],
        seed=secrets.randbelow(2**31),
    )
    try:
        show(MEASUREMENT, engine().measurements.start(plan))
    except TooManyMeasurements:
        session().notice = t("latency.too_many")


def name_of(measurement: Measurement) -> str:
    """What a measurement is called in lists."""
    if not measurement.plan or not measurement.made_at:
        return t("latency.unnamed", calls=len(measurement.observations))
    models = ", ".join(map(sidebar.model_label, measurement.plan.models))
    return t(
        "latency.name", time=f"{measurement.made_at:%Y-%m-%d %H:%M:%S} UTC", models=models, pairs=measurement.plan.pairs
    )


def draw_list(current: str | None) -> None:
    kept = session().measurements
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if current:
            st.button(
                t("latency.new"), icon=":material/add:", key="latency.new", on_click=show, args=(MEASUREMENT, None)
            )
        with st.popover(t("latency.measurements", number=len(kept)), icon=":material/history:"):
            if not kept:
                st.caption(t("latency.measurements_empty"))
            for measurement_id, measured in reversed(kept.items()):
                st.button(
                    measured.name,
                    key=f"latency.open.{measurement_id}",
                    disabled=measurement_id == current,
                    wrap=True,
                    on_click=show,
                    args=(MEASUREMENT, measurement_id),
                )
        with st.popover(t("latency.upload"), icon=":material/upload:"):
            st.file_uploader(t("latency.upload_what"), type=["json", "jsonl"], key=UPLOAD, on_change=_upload)
        if shown := kept.get(current or ""):
            with st.popover(t("latency.download"), icon=":material/download:"):
                _draw_downloads(shown.measurement, f"latency-{(current or '')[:8]}")


def draw_comparison(current: str) -> Measured | None:
    """The former measurement that was chosen."""
    others = {found: measured for found, measured in session().measurements.items() if found != current}
    if not others:
        return None
    chosen = st.selectbox(
        t("latency.compare"),
        others,
        index=None,
        format_func=lambda found: others[found].name,
        key=f"latency.compare.{current}",
        placeholder=t("latency.compare_none"),
    )
    return others.get(chosen or "")


def _draw_downloads(measurement: Measurement, name: str) -> None:
    seen, plan, made_at = measurement.observations, measurement.plan, measurement.made_at
    files = [
        ("jsonl", "application/jsonl", lambda: write_lines(seen)),
        ("csv", "text/csv", lambda: write_csv(seen)),
        ("zip", "application/zip", lambda: report(measurement)),
    ]
    if plan and made_at:
        whole = bool(measurement.complete)
        files.insert(0, ("json", "application/json", lambda: write_measurement(seen, plan, made_at, complete=whole)))
    for ending, mime, make in files:
        st.download_button(
            t(f"latency.download_{ending}"),
            make,
            f"{name}.{ending}",
            mime,
            key=f"latency.download.{ending}",
            on_click="ignore",
            width="stretch",
        )


def _upload() -> None:
    """A measurement becomes one more of this session; a broken one changes nothing."""
    file = st.session_state[UPLOAD]
    if file is None:
        return
    try:
        measurement = read_measurement(file.getvalue())
    except BrokenMeasurement as error:
        reason = t(f"latency.broken_{error.code}")
        session().notice = (
            t("latency.broken_line", line=error.line, reason=reason)
            if error.line
            else t("latency.broken", reason=reason)
        )
        return
    measurement_id = f"file-{secrets.token_urlsafe(8)}"
    keep_measurement(measurement_id, Measured(file.name, measurement))
    show(MEASUREMENT, measurement_id)
