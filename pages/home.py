"""The first page: one question, answered whole and streamed, side by side; and the way to the other pages."""

import streamlit as st

from components.home import doors, race
from components.home.local import LOCAL_QUESTION, draw_local
from components.home.recording import draw_recording
from components.home.sentence import sentence
from components.page import lesson, questions, settings
from components.page.address import RACE, named, show
from components.page.lab import engine
from components.page.presented import may_stop
from components.page.slots import fresh_container
from components.page.texts import LANGUAGE_KEY, t
from components.page.widgets import button, control
from streamlab.demo_model import DEMO
from streamlab.events.outcome import outcome_of
from streamlab.local_model import LOCAL
from streamlab.models.options import Options
from streamlab.race.race import Races, whole_chain
from streamlab.race.recorded import MODEL, recorded_race
from streamlab.runs.chain import ChainAttempt

MODEL_KEY = "home.model"
RACED = "home.raced"  # the race that this session began last

lab = engine()


def start(question: str) -> None:
    """Race the two answers to a question; a race that is still live gives way to it."""
    if found and found.live and may_stop(found.chat.id):
        lab.portal.call(lab.races.stop, found.turn)
    options = Options(chosen())
    if chat := questions.started([options.model], lambda: lab.portal.call(lab.races.start, question, options)):
        st.session_state[RACED] = chat.id
        show(RACE, chat.id)


def chosen() -> str:
    return str(st.session_state.get(MODEL_KEY, MODEL))


def race_local() -> None:
    """Race with the local model, in its language."""
    st.session_state[MODEL_KEY] = LOCAL
    start(LOCAL_QUESTION)


def draw_model() -> None:
    """Offer the models, the demo model at a pace that shows the point before all others."""
    names = [MODEL, *(name for name in lab.portal.call(lab.models.names) if name != DEMO)]
    if st.session_state.get(MODEL_KEY) not in names:
        st.session_state[MODEL_KEY] = MODEL
    if len(names) > 1:
        look = {"label_visibility": "collapsed", "width": settings.MODEL_WIDTH}
        control("home.model", st.selectbox, names, format_func=model_label, **look)


def model_label(name: str) -> str:
    return settings.model_label(DEMO if name == MODEL else name)


race_id = named(RACE)
found = race.find(race_id)
own = found is not None and found.chat.id == st.session_state.get(RACED)
tried = found is not None and own and not found.live and found.turn.question != t("home.question")
lesson.draw_title("home", (whole_chain, Races.start, ChainAttempt), tried=tried, heading=t("home.heading"))
notices = st.container()
if race_id and not found:
    notices.info(t("home.gone"), icon=":material/info:")
stage, result = st.container(), st.empty()
with st.container(horizontal=True, vertical_alignment="center"):
    with st.container(width="content"):  # a fresh one, or Streamlit leaves what was clicked beside the new one
        action = fresh_container("home.action", race_id).empty()
    draw_model()
    questions.draw_input("home.own", t("home.own"), start, notices, lambda: [chosen()])
doors.draw_doors()
doors.draw_words()
draw_local(race_local)
question = found.turn.question if found else t("home.question")
if found and found.live:
    result.subheader(t("home.running"), anchor=False)
    if may_stop(found.chat.id):
        button("home.stop", "stop_circle", lab.portal.call, lab.races.stop, found.turn, place=action)
with stage:
    if found:
        outcomes = race.draw(found)
    else:
        recorded = recorded_race(st.session_state[LANGUAGE_KEY])
        draw_recording(recorded)
        outcomes = outcome_of(recorded.whole), outcome_of(recorded.streamed)
result.subheader(sentence(*outcomes), anchor=False)
name = "home.again" if found else "home.race"
button(name, "replay" if found else "play_arrow", start, question, type="primary", place=action)
