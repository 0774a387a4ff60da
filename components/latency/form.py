"""The form for a measurement."""

import secrets
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import streamlit as st
from pydantic import SecretStr

from components.latency import measurements
from components.latency.labels import round_seconds, seconds_text, way_label
from components.page import access, questions, settings
from components.page.address import MEASUREMENT, show
from components.page.browser import browser
from components.page.lab import engine
from components.page.session import session
from components.page.texts import t, together
from components.page.widgets import button, choice, control
from streamlab.gateway.access import Access, named
from streamlab.gateway.gateway import Gateway
from streamlab.latency.difference import SURE
from streamlab.latency.forecast import Forecast, forecast
from streamlab.latency.gateway import issued
from streamlab.latency.measurements import TooManyMeasurements
from streamlab.latency.plan import DIRECT, WAYS, GatewayAddress, Plan, Way

A_MINUTE_OR_TWO = 100  # seconds, from which on a time is told in minutes
# What is done in some 45 seconds with the demo model, of whose answer one then waits seven seconds.
USUAL_LENGTH, USUAL_PAIRS, USUAL_TARGET = "long", 3, 1.0
USUAL_WAYS: tuple[Way, ...] = ("invoke", "stream")
LENGTHS = {"short": 50, "medium": 200, "long": 600, "unlimited": None}  # tokens
PROBE = "measuring"  # the id of no run
PROBE_SECONDS = 60.0  # between two looks for this server's own gateway
MODELS, PROMPT, LENGTH, PAIRS, CHOSEN_WAYS, TARGET = (
    f"latency.{name}" for name in ("models", "prompt", "length", "pairs", "ways", "target")
)


def draw() -> None:
    """Draw the question, the models and the start button, and everything else folded away."""
    gateway = own_gateway()
    st.session_state.setdefault(MODELS, [settings.options().model])
    st.session_state.setdefault(PROMPT, t("latency.prompt_default"))
    with st.container(border=True):
        names = engine().portal.call(engine().models.names)
        control("latency.prompt", st.text_area, max_chars=32_000, height=68)
        control("latency.models", st.multiselect, names, format_func=settings.model_label, max_selections=4)
        access.draw(st.session_state[MODELS], st.container())
        begin_place, said = st.container(), st.container()
        # It is drawn before the button, whose label goes by what is set here.
        with st.expander(_settings_label(gateway), icon=":material/tune:", type="compact", key="latency.settings"):
            _draw_settings(gateway)
            settings.draw_more()
    plan = _plan(gateway)
    with begin_place:
        label = t("latency.start_in", time=about(_forecast(plan).seconds)) if plan else t("latency.start")
        button("latency.start", "timer", start, label=label, type="primary", disabled=not plan, help=None)
    said.caption(_what_happens(plan) if plan else t("latency.incomplete"))


def _settings_label(gateway: GatewayAddress | None) -> str:
    """Name what differs from the default."""
    state, ways = st.session_state, _ways(gateway)
    length, pairs, target = (
        state.get(key, usual) for key, usual in ((LENGTH, USUAL_LENGTH), (PAIRS, USUAL_PAIRS), (TARGET, USUAL_TARGET))
    )
    other = []
    if pairs != USUAL_PAIRS:
        other.append(t("latency.settings_pairs", number=pairs))
    if ways != USUAL_WAYS:
        other += map(way_label, ways)
    if "gateway" not in ways and length != USUAL_LENGTH:
        other.append(t(f"latency.length_{length}"))
    if target != USUAL_TARGET:
        other.append(t("latency.settings_target", seconds=seconds_text(target)))
    return t("latency.settings_other", what=" · ".join(other)) if other else t("latency.settings")


def _draw_settings(gateway: GatewayAddress | None) -> None:
    with st.container(horizontal=True, gap="medium"):
        control("latency.pairs", st.number_input, 1, 100, USUAL_PAIRS, width=180)
        control("latency.target", st.number_input, 0.1, 60.0, USUAL_TARGET, 0.1, "%.1f", width=180)
    relayed = "gateway" in _ways(gateway)
    key, default = (f"{LENGTH}.relayed", "unlimited") if relayed else (LENGTH, USUAL_LENGTH)
    choice("latency.length", st.pills, LENGTHS, default=default, key=key, disabled=relayed, wrap=True)
    options: dict[str, Any] = {"selection_mode": "multi", "default": USUAL_WAYS, "format_func": way_label, "wrap": True}
    control("latency.ways", st.pills, WAYS if gateway else DIRECT, **options)
    if gateway is None:
        st.caption(t("latency.no_gateway"))
    elif relayed:
        st.caption(t("latency.gateway_chosen", limit=engine().settings.gateway_runs_per_minute))


def _forecast(plan: Plan) -> Forecast:
    """Go by the former measurements that this session knows."""
    seen = (saved.measurement.observations for saved in measurements.HISTORY.items.values())
    return forecast(plan, list(chain.from_iterable(seen)))


def about(seconds: float) -> str:
    """Write a time that is not known exactly."""
    if seconds < A_MINUTE_OR_TWO:
        return t("latency.about_seconds", number=max(5, 5 * round(seconds / 5)))
    return t("latency.about_minutes", number=max(2, round(seconds / 60)))


def _what_happens(plan: Plan) -> str:
    """Say what will be done, and why it takes so long."""
    found = _forecast(plan)
    name = "latency.happens" if len(plan.models) == 1 else "latency.happens_models"
    pairs, ways, models = plan.pairs, len(plan.ways), len(plan.models)
    each = round_seconds(found.call)
    texts = [t(name, calls=found.calls, pairs=pairs, ways=ways, models=models, seconds=each)]
    if plan.warm_ups:
        texts.append(t("latency.start_help"))
    if found.assumed:
        texts.append(t("latency.assumed"))
    return together(*texts)


def _ways(gateway: GatewayAddress | None) -> tuple[Way, ...]:
    """Return the chosen ways that are offered."""
    chosen = st.session_state.get(CHOSEN_WAYS, USUAL_WAYS)
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


def _plan(gateway: GatewayAddress | None) -> Plan | None:
    """Return the plan that the form describes; None while something is missing."""
    state, options, ways = st.session_state, settings.options(), _ways(gateway)
    if not (state[MODELS] and ways and state[PROMPT].strip()):
        return None
    return Plan(
        models=tuple(state[MODELS]),
        prompt=state[PROMPT],
        system=options.system,
        temperature=options.temperature,
        max_tokens=None if "gateway" in ways else LENGTHS[state[LENGTH]],
        pairs=state[PAIRS],
        ways=ways,
        warm_ups=_warm_ups(state[PAIRS]),
        target=state[TARGET],
        seed=secrets.randbelow(2**31),
    )


def _warm_ups(pairs: int) -> int:
    """Return the rounds that are not counted: none where one would take as long as a large part of the rest."""
    return 1 if pairs >= SURE else 0


def start() -> None:
    """Start the measurement that the form describes."""
    gateway = own_gateway()
    if plan := _plan(gateway):
        begin(plan, gateway)
    else:  # the box may have been emptied just before the button was pressed
        session().notice = t("latency.incomplete")


def with_enough_pairs(plan: Plan) -> Plan:
    """Return the same plan with enough pairs."""
    return plan.model_copy(update={"pairs": SURE, "warm_ups": _warm_ups(SURE)})


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
