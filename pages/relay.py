"""One run, followed by several clients at once, over the protocols of the gateway."""

import time
from typing import TYPE_CHECKING

import streamlit as st

from components import lesson, questions, relay, sidebar
from components.places import draw_notice
from components.state import RUN, engine, find_log, gateway, session
from components.texts import t
from streamlab.gateway.delivery import Delivery
from streamlab.gateway.sse import EventStream
from streamlab.gateway.websocket import FollowSocket
from streamlab.hub import Follower, Log

if TYPE_CHECKING:
    from streamlab.grpc_follower import Look

EVERY = 1.0  # seconds between two looks at the log and at the gateway
MOMENTS = "relay.moments"  # what the session has seen of the gateway

lab = engine()
server = gateway()


def stop(run_id: str) -> None:
    lab.portal.call(lab.runs.stop, run_id)


def start() -> None:
    question, options = st.session_state[relay.QUESTION], sidebar.options()
    if chat := questions.started(lambda: lab.portal.call(lab.chats.ask, None, question, options)):
        session().relayed = st.query_params[RUN] = chat.turns[-1].run_id


def head_of(log: Log) -> tuple[int, float]:
    """The seq and the time of the log's last event."""
    newest = log.since(log.seq - 1)
    return log.seq, newest[-1].at if newest else 0.0


def look_at_remote(run_id: str) -> "Look | None":
    """What the client over gRPC has, which runs here, for a browser does not speak it. None when it has left."""
    if not server.grpc_port:
        return None
    state = session()
    if not state.follower or state.follower.run_id != run_id:
        follow_elsewhere(run_id, server.grpc_port)
    return lab.portal.call(state.follower.look) if state.follower and not state.follower_left else None


def follow_elsewhere(run_id: str, port: int) -> None:
    from streamlab.grpc_follower import GrpcFollower  # which takes a while to load

    state = session()
    if state.follower:
        lab.portal.call(state.follower.cut)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(lab.settings.lab_grpc_host, lab.settings.lab_grpc_host)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    follower = GrpcFollower(address, run_id, lambda: server.access.issue(run_id))
    state.follower, state.follower_left = follower, False
    lab.portal.call(follower.connect)


def act(what: str) -> None:
    """What the buttons of that client's card ask for."""
    if follower := session().follower:
        lab.portal.call(follower.connect if what == "connect" else follower.cut)
        session().follower_left = what == "leave"


@st.fragment(run_every=EVERY)
def draw_run(log: Log, *, live: bool) -> None:
    """The clients connect by themselves; what they need of the page is a token, and where the log ends now."""
    log = find_log(log.run_id) or log  # its time may be over while somebody still looks at the cards
    token = server.access.issue(log.run_id)  # a new one each time, for one may expire or be revoked
    remote = look_at_remote(log.run_id)
    resumed = relay.draw_clients(log.run_id, token, lab.portal.call(head_of, log), remote, act)
    if (live and log.done) or (resumed and "relay" not in session().tried):
        st.rerun()


@st.fragment(run_every=EVERY)
def draw_gateway() -> None:
    """What the gateway does in this second and did in those before it, as this session saw it."""
    now = relay.moment(time.monotonic(), lab.portal.call(lambda: list(server.metrics.samples())))
    former: list[relay.Moment] = st.session_state.get(MOMENTS, [])
    moments = [*(moment for moment in former if now.at - moment.at <= relay.WINDOW), now]
    st.session_state[MOMENTS] = moments
    relay.draw_figures(moments)


run_id = st.query_params.get(RUN) or session().relayed
if run_id:
    session().relayed = st.query_params[RUN] = run_id
log = find_log(run_id)
lesson.draw_title("relay", (Follower, Delivery, EventStream, FollowSocket), tried=relay.was_resumed())
draw_notice(st.container())
place = relay.draw_controls(start)
if run_id and log:
    with place:
        if not log.done:
            st.button(
                t("relay.stop"), key="relay.stop", icon=":material/stop_circle:", on_click=stop, args=(log.run_id,)
            )
        if st.context.url:
            relay.draw_link(f"{st.context.url}?{RUN}={run_id}")
    draw_run(log, live=log.done is None)
elif run_id:
    st.warning(t("relay.unknown"), icon=":material/link_off:")
else:
    st.info(t("relay.nothing_yet"), icon=":material/play_arrow:")
st.subheader(t("relay.gateway"))
draw_gateway()
