"""What is to be measured, and the measurements of this session: to come back to, to bring along, to take away."""

import secrets
from dataclasses import dataclass

import streamlit as st
from pydantic import SecretStr

from components.latency.report import report
from components.page import access, questions, sidebar
from components.page.address import MEASUREMENT, show
from components.page.history import History
from components.page.lab import engine
from components.page.session import session
from components.page.texts import LANGUAGE_KEY, t
from streamlab.gateway.access import Access, named
from streamlab.gateway.gateway import Gateway
from streamlab.latency.gateway import issued
from streamlab.latency.measurement import BrokenMeasurement, Measurement, read_measurement, write_measurement
from streamlab.latency.measurements import TooManyMeasurements
from streamlab.latency.observation import write_csv, write_lines
from streamlab.latency.plan import DIRECT, WAYS, GatewayAddress, Plan, Way

_REPORT = "latency.report"  # the measurement whose report was asked for
MIME = {"json": "application/json", "jsonl": "application/jsonl", "csv": "text/csv", "zip": "application/zip"}
LENGTHS = {"short": 50, "medium": 200, "long": 600, "unlimited": None}  # tokens
PROBE = "measuring"  # the id of no run
LOOK_AGAIN = 60.0  # seconds
MODELS, PROMPT, LENGTH, PAIRS, CHOSEN_WAYS, TARGET, UPLOAD = (
    f"latency.{name}" for name in ("models", "prompt", "length", "pairs", "ways", "target", "upload")
)


@dataclass(frozen=True)
class Measured:
    """A measurement whose end is known, or one that was uploaded."""

    name: str
    measurement: Measurement


HISTORY: History[Measured] = History("latency", MEASUREMENT)


def draw_plan() -> None:
    """The controls, and the button that starts."""
    gateway = own_gateway()
    with st.container(border=True):
        left, right = st.columns([3, 2], gap="large")
        with left:
            _draw_question()
        with right:
            _draw_method(gateway)
        access.draw(st.session_state[MODELS], st.container())
        _draw_start(gateway)


def _draw_question() -> None:
    lab = engine()
    st.session_state.setdefault(MODELS, [sidebar.options().model])
    st.session_state.setdefault(PROMPT, t("latency.prompt_default"))
    st.multiselect(
        t("latency.models"),
        lab.portal.call(lab.models.names),
        key=MODELS,
        format_func=sidebar.model_label,
        max_selections=4,
        persist_state="session",
    )
    st.text_area(t("latency.prompt"), key=PROMPT, max_chars=32_000, height=110, persist_state="session")


def _draw_method(gateway: GatewayAddress | None) -> None:
    relayed = "gateway" in _ways(gateway)
    st.pills(
        t("latency.length"),
        list(LENGTHS),
        default="unlimited" if relayed else "medium",
        required=True,
        format_func=lambda name: t(f"latency.length_{name}"),
        key=f"{LENGTH}.relayed" if relayed else LENGTH,
        help=t("latency.length_help"),
        disabled=relayed,
        wrap=True,
        persist_state="session",
    )
    st.pills(
        t("latency.ways"),
        _offered(gateway),
        selection_mode="multi",
        default=DIRECT,
        format_func=lambda way: t(f"latency.way_{way}"),
        key=CHOSEN_WAYS,
        help=t("latency.ways_help"),
        wrap=True,
        persist_state="session",
    )
    if gateway is None:
        st.caption(t("latency.no_gateway"))
    elif relayed:
        st.caption(t("latency.gateway_chosen", limit=engine().settings.gateway_runs_per_minute))
    pairs, target = st.columns(2)
    text = t("latency.pairs_help")
    pairs.number_input(t("latency.pairs"), 1, 100, 10, key=PAIRS, help=text, persist_state="session")
    text = t("latency.target_help")
    target.number_input(
        t("latency.target"), 0.1, 60.0, 1.0, 0.1, "%.1f", key=TARGET, help=text, persist_state="session"
    )


def _offered(gateway: GatewayAddress | None) -> tuple[Way, ...]:
    return WAYS if gateway else DIRECT


def _ways(gateway: GatewayAddress | None) -> tuple[Way, ...]:
    """The chosen ones."""
    return tuple(way for way in _offered(gateway) if way in st.session_state.get(CHOSEN_WAYS, DIRECT))


def own_gateway() -> GatewayAddress | None:
    """This server's gateway, as another process on this machine reaches it; None where that finds none."""
    server = Gateway.running
    if server is None:
        return None
    scheme = "https" if st.get_option("server.sslCertFile") else "http"
    host = st.get_option("server.address") or "0.0.0.0"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{st.get_option('server.port')}/api"
    token = next(iter(named(engine().settings.gateway_tokens).values()), None)
    return GatewayAddress(url, SecretStr(token) if token else None) if _is_ours(url, server.access) else None


# Under another program than Streamlit's own the port may be another, and somebody else's gateway behind this one.
@st.cache_data(ttl=LOOK_AGAIN, show_spinner=False)
def _is_ours(url: str, _access: Access) -> bool:
    return issued(url, _access.issue(PROBE), PROBE)


def _draw_start(gateway: GatewayAddress | None) -> None:
    ready = _ready(gateway)
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


def _ready(gateway: GatewayAddress | None) -> bool:
    state = st.session_state
    return bool(state[MODELS] and _ways(gateway) and state[PROMPT].strip())


def start() -> None:
    """Measure what the controls say."""
    state, options, gateway = st.session_state, sidebar.options(), own_gateway()
    if not _ready(gateway):  # the box may have been emptied just before the button was pressed
        session().notice = t("latency.incomplete")
        return
    ways = _ways(gateway)
    plan = Plan(
        models=tuple(state[MODELS]),
        prompt=state[PROMPT],
        system=options.system,
        temperature=options.temperature,
        max_tokens=None if "gateway" in ways else LENGTHS[state[LENGTH]],
        pairs=state[PAIRS],
        ways=ways,
        target=state[TARGET],
        seed=secrets.randbelow(2**31),
    )
    try:
        measurement_id = questions.started(plan.models, lambda: engine().measurements.start(plan, gateway))
    except TooManyMeasurements:
        session().notice = t("latency.too_many")
        return
    if measurement_id:
        show(MEASUREMENT, measurement_id)


def name_of(measurement: Measurement) -> str:
    """What a measurement is called in lists."""
    if not measurement.plan or not measurement.made_at:
        return t("latency.unnamed", calls=len(measurement.observations))
    models = ", ".join(map(sidebar.model_label, measurement.plan.models))
    return t(
        "latency.name", time=f"{measurement.made_at:%Y-%m-%d %H:%M:%S} UTC", models=models, pairs=measurement.plan.pairs
    )


def draw_list(current: str | None) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if current:
            st.button(
                t("latency.new"), icon=":material/add:", key="latency.new", on_click=show, args=(MEASUREMENT, None)
            )
        HISTORY.draw(current)
        with st.popover(t("latency.upload"), icon=":material/upload:"):
            st.file_uploader(t("latency.upload_what"), type=["json", "jsonl"], key=UPLOAD, on_change=_upload)
        if current and (shown := HISTORY.find(current)):
            with st.popover(t("latency.download"), icon=":material/download:"):
                _draw_downloads(current, shown.measurement)


def _draw_downloads(measurement_id: str, measurement: Measurement) -> None:
    name, calls = f"latency-{measurement_id[:8]}", len(measurement.observations)
    for ending, data in _files(measurement_id, calls, measurement).items():
        _draw_download(name, ending, data)
    # It takes a moment, so it is made for those who want it.
    if st.button(t("latency.make_report"), key="latency.make_report", width="stretch"):
        st.session_state[_REPORT] = measurement_id
    if st.session_state.get(_REPORT) == measurement_id:
        _draw_download(name, "zip", _report(measurement_id, calls, st.session_state[LANGUAGE_KEY], measurement))


def _draw_download(name: str, ending: str, data: bytes) -> None:
    st.download_button(
        t(f"latency.download_{ending}"),
        data,
        f"{name}.{ending}",
        MIME[ending],
        key=f"latency.download.{ending}",
        on_click="ignore",
        width="stretch",
    )


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
    HISTORY.keep(measurement_id, Measured(file.name, measurement))
    show(MEASUREMENT, measurement_id)
