"""One run, followed by several clients at once, over the protocols of the gateway."""

import time

import streamlit as st

from components.page import access, lesson, questions, settings
from components.page.address import RUN
from components.page.lab import engine, find_log, gateway
from components.page.session import session
from components.page.slots import draw_notice
from components.page.texts import t
from components.relay import cards as relay_cards
from components.relay import figures as relay_figures
from components.relay import relay
from components.relay import remote as relay_remote
from streamlab.gateway.delivery import Delivery
from streamlab.gateway.protocols.sse import EventStream
from streamlab.gateway.protocols.websocket import FollowSocket
from streamlab.hub import Follower, Log

EVERY = 1.0  # seconds between two looks at the log and at the gateway

lab = engine()
server = gateway()


def start() -> None:
    question, options = st.session_state[relay.QUESTION], settings.options()
    if chat := questions.started([options.model], lambda: lab.portal.call(lab.chats.ask, None, question, options)):
        st.session_state[relay.SHOWN] = st.query_params[RUN] = chat.turns[-1].run_id


@st.fragment(run_every=EVERY)
def draw_run(log: Log, *, live: bool) -> None:
    """Draw the clients. They connect by themselves and need a token of the page, and where the log ends now."""
    log = find_log(log.run_id) or log  # its time may be over while somebody still looks at the cards
    token = server.access.issue(log.run_id)  # a new one each time, for one may expire or be revoked
    now = relay_remote.standing(log)
    relay.draw_outage(log.run_id, now.seq)
    resumed = relay_cards.draw_clients(log.run_id, token, now, served=relay_remote.served(), act=relay_remote.act)
    if (live and log.done) or (resumed and "relay" not in session().tried):
        st.rerun()


@st.fragment(run_every=EVERY)
def draw_gateway(*, unfolded: bool) -> None:
    """Look at what the gateway does, and draw it, as this session saw it, for who wants to see it."""
    samples = lab.portal.call(lambda: list(server.metrics.samples()))
    moments = relay_figures.seen(relay_figures.moment(time.monotonic(), samples))
    if unfolded:
        relay_figures.draw_figures(moments)


run_id = st.query_params.get(RUN) or st.session_state.get(relay.SHOWN)
if run_id:
    st.session_state[relay.SHOWN] = st.query_params[RUN] = run_id
log = find_log(run_id)
lesson.draw_title("relay", (Follower, Delivery, EventStream, FollowSocket), tried=relay_cards.was_resumed())
draw_notice(st.container())
access.draw([settings.options().model], st.container())
st.markdown(t("relay.point"))
relay.draw_controls(start, log)
if log:
    draw_run(log, live=log.done is None)
elif run_id:
    st.warning(t("relay.unknown"), icon=":material/link_off:")
else:
    st.info(t("relay.nothing_yet"), icon=":material/play_arrow:")
with st.expander(
    t("relay.gateway"), icon=":material/monitoring:", type="compact", key=relay.GATEWAY, on_change="rerun"
) as fold:
    st.caption(t("relay.lag_what"))
    relay.draw_kill(log)
    draw_gateway(unfolded=bool(fold.open))
