"""An answer on the page: live, and finished."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.answer import transcript
from components.answer.markdown import draw_markdown
from components.answer.reader import AnswerReader
from components.answer.tools import LiveTools, draw_uses
from components.page.lab import engine
from components.page.settings import model_label
from components.page.texts import plain, t
from streamlab.events.event import Retry, is_piece
from streamlab.events.outcome import UNKNOWN, Outcome
from streamlab.hub import Item, Snapshot
from streamlab.local_model import LOCAL
from streamlab.models.failures import CODES, RETRIED
from streamlab.models.server_errors import told_wait

# Beneath a finished answer's text: how it ended, its figures, its buttons. Until a script ends Streamlit keeps what it
# has not drawn over, so an answer that is given anew draws over all of these.
BENEATH = 3
BEFORE = 3  # positions above the text: status, thoughts, calls
PLAIN = BEFORE + 1 + BENEATH  # positions of an answer whose text was never begun anew
LONG_WAIT = 10  # seconds; less is over when the sentence is read
UNITS = {"hours": 3600, "minutes": 60, "seconds": 1}


def draw_outcome(outcome: Outcome, instead_of: int = 0) -> None:
    """Draw a finished answer without its figures. Each part keeps the position that it had while it arrived.

    `instead_of` is how many positions a live one took: those that are not drawn over would stay.
    """
    st.empty()
    thinking, tools = st.empty(), st.empty()
    if outcome.thinking:
        with thinking.expander(t("chat.thought"), icon=":material/psychology:", type="compact"):
            draw_markdown(outcome.thinking)
    if outcome.tools:
        with tools.container():
            draw_uses(outcome.tools)
    if outcome.text:
        draw_markdown(outcome.text)
    for _ in range(instead_of - BEFORE - bool(outcome.text)):
        st.empty()


def draw_ending(outcome: Outcome, model: str | None = None) -> None:
    """Draw how the run ended, where that needs words, and its figures."""
    match outcome.status:
        case "failed" | "lost":
            _draw_error(outcome)
        case "stopped":
            reason = outcome.code if outcome.code in ("unwatched", "shutdown") else "stopped"
            st.info(t(f"chat.{reason}"), icon=":material/stop_circle:")
        case _ if outcome.code == "length":
            st.info(t("chat.cut_short"), icon=":material/content_cut:")
        case _ if outcome.code in ("refusal", "transcript"):
            st.info(t(f"chat.{outcome.code}"), icon=":material/info:")
        case _ if not outcome.text:
            st.info(t("chat.empty"), icon=":material/info:")
    _draw_figures(outcome, model)


def follow(batches: Iterator[list[Item]], frames: float = 1.0, model: str = "") -> int:
    """Draw a live answer until its run ends: all there is so far at once, then what arrives.

    `model`: whose answer it is, where that may have to be loaded first.
    Return how many positions it took, which a finished one in its place draws over.
    """
    status, thinking, tools = _LiveStatus(st.empty(), model), _LiveThinking(st.empty()), LiveTools(st.empty())
    first = next(batches, [])
    if not any(map(_readable, first)):
        status.wait()

    def end_waiting() -> None:
        status.clear()
        thinking.show()

    reader = AnswerReader(chain([first], batches), on_thinking=thinking.add, on_tool=tools.observe, on_text=end_waiting)
    place, taken = st.empty(), PLAIN
    for _ in range(BENEATH):
        st.empty()
    while not reader.ended:
        text = transcript.write(place, reader.stretch(), frames)
        if not reader.ended:
            # Each stretch needs a slot of its own: a block that is put where one was keeps the former one's children.
            place.empty()
            place, taken = st.empty(), taken + 1
        if reader.retry:
            thinking.clear()
            tools.clear()
            status.retry(reader.retry, shown=bool(text))
    end_waiting()
    return taken


def _readable(item: Item) -> bool:
    return bool(item.text) if isinstance(item, Snapshot) else is_piece(item)


@dataclass
class _LiveStatus:
    """The line above the answer while there is nothing to read."""

    place: DeltaGenerator
    model: str
    _attempt: int = 1

    def wait(self) -> None:
        loading = self.model == LOCAL and engine().models.local.loading
        doing = "chat.loading_model" if loading else "chat.thinking"
        self.place.markdown(f":shimmer[{t(doing)} …]")

    def clear(self) -> None:
        self.place.empty()

    def retry(self, event: Retry, *, shown: bool) -> None:
        self._attempt += 1
        seconds = f"{event.wait or 0:.1f}".removesuffix(".0")
        key = "chat.retry_void" if shown else "chat.retry_wait"
        text = t(key, reason=t(f"error.{event.code}"), seconds=seconds, number=self._attempt)
        self.place.warning(text, icon=":material/autorenew:")


@dataclass
class _LiveThinking:
    """The model's reasoning, shown open while it arrives."""

    place: DeltaGenerator
    _inner: DeltaGenerator | None = None
    _text: str = ""
    _due: float = 0.0

    def add(self, text: str) -> None:
        """Add text, and redraw a few times a second only: each drawing sends all of it again."""
        self._text += text
        if time.monotonic() >= self._due:
            self.show()
            self._due = time.monotonic() + 0.2 + len(self._text) / 20_000

    def show(self) -> None:
        if not self._text:
            return
        if self._inner is None:
            label, icon = t("chat.thought"), ":material/psychology:"
            self._inner = self.place.expander(label, expanded=True, icon=icon, type="compact").empty()
        draw_markdown(self._text, self._inner, unfinished=True)

    def clear(self) -> None:
        self.place.empty()
        self._inner, self._text = None, ""


def _draw_error(outcome: Outcome) -> None:
    code = outcome.code if outcome.code in CODES else "internal"
    lines = [f"**{error_text(code)}** {next_step(code, outcome.detail)}"]
    if outcome.text:
        lines.append(t("chat.partial_kept"))
    st.error("  \n".join(lines), icon=":material/error:")


def error_text(code: str | None) -> str:
    """Tell what failed; an unknown code, as an uploaded recording may have, is `internal`."""
    return t(f"error.{code if code in CODES else 'internal'}")


def next_step(code: str | None, detail: str | None) -> str:
    """Tell what to do after a failure; where the server asked for a long wait, how long that was."""
    wait = told_wait(detail or "")
    if code not in RETRIED or wait is None or wait < LONG_WAIT:
        return t(f"error.{code}_next", detail=plain(detail or ""))
    unit, seconds = next((unit, seconds) for unit, seconds in UNITS.items() if wait >= 2 * seconds)
    return t(f"chat.wait_{unit}", number=f"{math.ceil(wait / seconds):,}")


def _draw_figures(outcome: Outcome, model: str | None) -> None:
    """Draw the same row under every answer; its tooltip says what the figures mean."""
    usage, timings, rate = outcome.usage, outcome.timings, outcome.tokens_per_second
    about = "≈ " if usage.estimated else ""
    tokens_help = t("figures.tokens_estimated" if usage.estimated else "figures.tokens_help")
    figures = {
        "ttft": "–" if timings.ttft is None else f"{timings.ttft:.2f} s",
        "total": f"{timings.total:.2f} s",
        "rate": t("figures.rate_value", value=f"{about}{rate:,.1f}") if rate else "–",
        "tokens_in": f"{about}{usage.input_tokens:,}",
        **({"cached": f"{usage.cached_tokens:,}"} if usage.cached_tokens else {}),
        "tokens_out": f"{about}{usage.output_tokens:,}",
    }
    reasoned = bool(outcome.thinking or usage.reasoning_tokens)
    if reasoned:
        visible = outcome.visible_tokens
        figures["visible"] = "–" if visible is None else f"{about}{visible:,}"
    if usage == UNKNOWN:  # in a recording that does not say
        figures |= {"tokens_in": "–", "tokens_out": "–"}
    if outcome.retries:
        figures["retries"] = str(outcome.retries)
    # Without breaks: a label and its value stay on one line.
    items = [f"{t(f'figures.{name}')} **{value}**".replace(" ", "\u00a0") for name, value in figures.items()]
    named = [f"{t('figures.model')} **{plain(model_label(model))}**"] if model else []
    row = " · ".join([*items, *named])
    explained = [name for name in ("ttft", "total", "rate", "cached", "visible") if name in figures]
    meanings = [f"**{t(f'figures.{name}')}**: {t(f'figures.{name}_help')}" for name in explained]
    st.caption(row, help="\n\n".join([*meanings, tokens_help]))
