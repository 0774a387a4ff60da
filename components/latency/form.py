"""The form for a measurement."""

import secrets
from datetime import UTC, datetime
from typing import Any

import streamlit as st
from pydantic import SecretStr

from components.latency import measurements
from components.latency.labels import way_label
from components.page import access, questions, settings, sidebar
from components.page.address import MEASUREMENT, show
from components.page.browser import browser
from components.page.lab import engine
from components.page.session import session
from components.page.texts import t
from components.page.widgets import button, choice, control
from streamlab.gateway.access import Access, named
from streamlab.gateway.gateway import Gateway
from streamlab.latency.gateway import issued
from streamlab.latency.measurements import TooManyMeasurements
from streamlab.latency.plan import DIRECT, WAYS, GatewayAddress, Plan, Way

LENGTHS = {"short": 50, "medium": 200, "long": 600, "unlimited": None}  # tokens
PROBE = "measuring"  # the id of no run
PROBE_SECONDS = 60.0  # between two looks for this server's own gateway
MODELS, PROMPT, LENGTH, PAIRS, CHOSEN_WAYS, TARGET = (
    f"latency.{name}" for name in ("models", "prompt", "length", "pairs", "ways", "target")
)


def draw() -> None:
    """Draw the controls and the start button."""
    gateway = own_gateway()
    with st.container(border=True):
        left, right = st.columns([3, 2], gap="large")
        st.session_state.setdefault(MODELS, [sidebar.options().model])
        st.session_state.setdefault(PROMPT, t("latency.prompt_default"))
        names = engine().portal.call(engine().models.names)
        control("latency.models", left.multiselect, names, format_func=sidebar.model_label, max_selections=4)
        control("latency.prompt", left.text_area, max_chars=32_000, height=110)
        with right:
            _draw_method(gateway)
        access.draw(st.session_state[MODELS], st.container())
        ready = _ready(gateway)
        with st.container(horizontal=True, vertical_alignment="center"):
            button("latency.start", "timer", start, type="primary", disabled=not ready, help=None)
            settings.draw_more()
            st.caption(t("latency.start_help") if ready else t("latency.incomplete"))


def _draw_method(gateway: GatewayAddress | None) -> None:
    relayed = "gateway" in _ways(gateway)
    key, default = (f"{LENGTH}.relayed", "unlimited") if relayed else (LENGTH, "medium")
    choice("latency.length", st.pills, LENGTHS, default=default, key=key, disabled=relayed, wrap=True)
    options: dict[str, Any] = {"selection_mode": "multi", "default": DIRECT, "format_func": way_label, "wrap": True}
    control("latency.ways", st.pills, WAYS if gateway else DIRECT, **options)
    if gateway is None:
        st.caption(t("latency.no_gateway"))
    elif relayed:
        st.caption(t("latency.gateway_chosen", limit=engine().settings.gateway_runs_per_minute))
    pairs, target = st.columns(2)
    control("latency.pairs", pairs.number_input, 1, 100, 10)
    control("latency.target", target.number_input, 0.1, 60.0, 1.0, 0.1, "%.1f")


def _ways(gateway: GatewayAddress | None) -> tuple[Way, ...]:
    """Return the chosen ways that are offered."""
    chosen = st.session_state.get(CHOSEN_WAYS, DIRECT)
    return tuple(way for way in (WAYS if gateway else DIRECT) if way in chosen)


def own_gateway() -> GatewayAddress | None:
    """Return this server's gateway as another local process reaches it, or None if it cannot be reached."""
    server = Gateway.running
    if server is None:
        return None
    scheme = "https" if st.get_option("server.sslCertFile") else "http"
    host = st.get_option("server.address") or "0.0.0.0"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{st.get_option('server.port')}/api"
    lab = engine()
    token = next(iter(named(lab.settings.gateway_tokens).values()), None)
    if token is None and lab.access_code:  # whoever measures a model that needs it has given it
        token = lab.access_code.issue()
    return GatewayAddress(url, SecretStr(token) if token else None) if _is_ours(url, server.access) else None


# Under another program than Streamlit's own the port may be another, and somebody else's gateway behind this one.
@st.cache_data(ttl=PROBE_SECONDS, show_spinner=False)
def _is_ours(url: str, _access: Access) -> bool:
    return issued(url, _access.issue(PROBE), PROBE)


def _ready(gateway: GatewayAddress | None) -> bool:
    state = st.session_state
    return bool(state[MODELS] and _ways(gateway) and state[PROMPT].strip())


def start() -> None:
    """Start the measurement that the form describes."""
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
    begin(plan, gateway)


def begin_again(plan: Plan) -> None:
    """Start a measurement of the same plan."""
    gateway = own_gateway() if plan.relayed else None
    if plan.relayed and not gateway:
        session().notice = t("latency.no_gateway")
    else:
        begin(plan, gateway)


def begin(plan: Plan, gateway: GatewayAddress | None) -> None:
    """Start a measurement, and show it."""
    lab, asked = engine(), (plan, gateway, browser() or "", measurements.name_of(plan, datetime.now(UTC)))
    try:
        id = questions.started(plan.models, lambda: lab.portal.call(lab.kept_measurements.ask, *asked))
    except TooManyMeasurements:
        session().notice = t("latency.too_many")
        return
    if id:
        show(MEASUREMENT, id)
