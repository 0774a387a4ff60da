"""The form for a measurement."""

import secrets
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import streamlit as st
from pydantic import SecretStr, ValidationError

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
from streamlab.latency.context import fitted
from streamlab.latency.difference import SURE
from streamlab.latency.forecast import Forecast, forecast
from streamlab.latency.gateway import issued
from streamlab.latency.measurements import TooManyMeasurements
from streamlab.latency.plan import DIRECT, WAYS, GatewayAddress, Plan, Way, order

A_MINUTE_OR_TWO = 100  # seconds, from which on a time is told in minutes
# What is done in some 45 seconds with the demo model, of whose answer one then waits seven seconds.
USUAL_LENGTH, USUAL_PAIRS, USUAL_TARGET = "long", 3, 1.0
USUAL_WAYS: tuple[Way, ...] = ("invoke", "stream")
LENGTHS = {"short": 50, "medium": 200, "long": 600, "unlimited": None}  # tokens
PROBE = "measuring"  # the id of no run
PROBE_SECONDS = 60.0  # between two looks for this server's own gateway
PROMPT_LENGTHS = 100, 1_000, 8_000  # tokens
LONG_LENGTH = "short"  # of answers to these, of which the first words matter
LONG_WAYS: tuple[Way, ...] = ("stream",)
MODELS, PROMPT, LENGTH, PAIRS, CHOSEN_WAYS, TARGET, LENGTHENED = (
    f"latency.{name}" for name in ("models", "prompt", "length", "pairs", "ways", "target", "prompt_lengths")
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
    said.caption(_what_happens(plan) if plan else _missing())


def _settings_label(gateway: GatewayAddress | None) -> str:
    """Name what differs from the default."""
    state, ways, (_, usual_length, usual_ways) = st.session_state, _ways(gateway), _usual(gateway)
    length = _length(gateway)
    pairs, target = (state.get(key, usual) for key, usual in ((PAIRS, USUAL_PAIRS), (TARGET, USUAL_TARGET)))
    other = [t("latency.point", tokens=f"{tokens:,}") for tokens in _prompt_lengths()]
    if pairs != USUAL_PAIRS:
        other.append(t("latency.settings_pairs", number=pairs))
    if ways != usual_ways:
        other += map(way_label, ways)
    if "gateway" not in ways and length != usual_length:
        other.append(t(f"latency.length_{length}"))
    if target != USUAL_TARGET:
        other.append(t("latency.settings_target", seconds=seconds_text(target)))
    return t("latency.settings_other", what=" · ".join(other)) if other else t("latency.settings")


def _draw_settings(gateway: GatewayAddress | None) -> None:
    with st.container(horizontal=True, gap="medium"):
        control("latency.pairs", st.number_input, 1, 100, USUAL_PAIRS, width=180)
        control("latency.target", st.number_input, 0.1, 60.0, USUAL_TARGET, 0.1, "%.1f", width=180)
    relayed, (suffix, length, ways) = "gateway" in _ways(gateway), _usual(gateway)
    choice("latency.length", st.pills, LENGTHS, default=length, key=LENGTH + suffix, disabled=relayed, wrap=True)
    several: dict[str, Any] = {"selection_mode": "multi", "wrap": True}
    options = several | {"default": ways, "format_func": way_label, "key": _ways_key()}
    control("latency.ways", st.pills, _offered_ways(gateway), **options)
    if gateway is None:
        st.caption(t("latency.no_gateway"))
    elif relayed:
        st.caption(t("latency.gateway_chosen", limit=engine().settings.gateway_runs_per_minute))
    control("latency.prompt_lengths", st.pills, PROMPT_LENGTHS, format_func=lambda number: f"{number:,}", **several)
    if _prompt_lengths():
        st.caption(t("latency.lengths_chosen"))


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
    one = "latency.happens" if len(plan.models) == 1 else "latency.happens_models"
    name = "latency.happens_lengths" if plan.prompt_lengths else one
    pairs, ways, models = plan.pairs, len(plan.ways), len(plan.models)
    each = round_seconds(found.call)
    texts = [t(name, calls=found.calls, pairs=pairs, ways=ways, models=models, seconds=each)]
    texts += [
        t("latency.left_out", model=settings.model_label(model), tokens=f"{length:,}")
        for model, length in plan.beyond_context
    ]
    if plan.warm_ups:
        texts.append(t("latency.start_help"))
    if found.assumed:
        texts.append(t("latency.assumed"))
    return together(*texts)


def _ways(gateway: GatewayAddress | None) -> tuple[Way, ...]:
    """Return the chosen ways that are offered."""
    chosen = st.session_state.get(_ways_key(), LONG_WAYS if _prompt_lengths() else USUAL_WAYS)
    return tuple(way for way in _offered_ways(gateway) if way in chosen)


def _ways_key() -> str:
    return f"{CHOSEN_WAYS}.long" if _prompt_lengths() else CHOSEN_WAYS


def _offered_ways(gateway: GatewayAddress | None) -> tuple[Way, ...]:
    return WAYS if gateway and not _prompt_lengths() else DIRECT


def _prompt_lengths() -> tuple[int, ...]:
    """Return the chosen lengths of the prompt; none asks it as it is."""
    return tuple(sorted(st.session_state.get(LENGTHENED, ())))


def _usual(gateway: GatewayAddress | None) -> tuple[str, str, tuple[Way, ...]]:
    """Return under which ending of its name the length of answers is kept, what it usually is, and the usual ways."""
    if _prompt_lengths():
        return ".long", LONG_LENGTH, LONG_WAYS
    return (".relayed", "unlimited", USUAL_WAYS) if "gateway" in _ways(gateway) else ("", USUAL_LENGTH, USUAL_WAYS)


def _length(gateway: GatewayAddress | None) -> str:
    suffix, usual, _ = _usual(gateway)
    chosen: str = st.session_state.get(LENGTH + suffix, usual)
    return chosen


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
    lengths = _prompt_lengths()
    try:
        plan = Plan(
            models=tuple(state[MODELS]),
            prompt=state[PROMPT],
            system=options.system,
            temperature=options.temperature,
            max_tokens=None if "gateway" in ways else LENGTHS[_length(gateway)],
            pairs=state[PAIRS],
            ways=ways,
            warm_ups=_warm_ups(state[PAIRS], len(state[MODELS]), lengths),
            target=state[TARGET],
            seed=secrets.randbelow(2**31),
            prompt_lengths=lengths,
        )
    except ValidationError:  # the question is longer than a length, or these would be too many calls
        return None
    plan = fitted(plan, engine().settings)
    return plan if order(plan) else None


def _warm_ups(pairs: int, models: int = 1, lengths: tuple[int, ...] = ()) -> int:
    """Return the rounds that are not counted: none where one would take as long as a large part of the rest.

    Models are compared after one each, for the first question of a model may be the one that loads it.
    """
    return 1 if pairs >= SURE or models > 1 or lengths else 0


def _missing() -> str:
    """Say why there is no plan."""
    state = st.session_state
    whole = state[MODELS] and state[PROMPT].strip() and state.get(_ways_key(), LONG_WAYS)
    return t("latency.too_short" if _prompt_lengths() and whole else "latency.incomplete")


def start() -> None:
    """Start the measurement that the form describes."""
    gateway = own_gateway()
    if plan := _plan(gateway):
        begin(plan, gateway)
    else:  # the box may have been emptied just before the button was pressed
        session().notice = _missing()


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
