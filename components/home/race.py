"""A race on the page: how it is found, drawn while it goes on, and drawn when it is over."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.answer import answer
from components.home.clock import TEXT_HEIGHT, Lane, Times, draw_clock
from components.page.lab import POLL_INTERVAL, engine, find_log, following
from components.page.texts import t
from streamlab.chats.chat import Chat, Turn, UnknownChat
from streamlab.events.event import Done, Event
from streamlab.events.outcome import Outcome, outcome_of
from streamlab.events.timings import Stopwatch, timings
from streamlab.hub import HubUnreachable, Item, Log
from streamlab.race.race import whole_of


@dataclass(frozen=True, slots=True)
class Race:
    """Both answers to a question, each by its log."""

    chat: Chat
    whole: Log
    streamed: Log

    @property
    def turn(self) -> Turn:
        return self.chat.turns[-1]

    @property
    def live(self) -> bool:
        return self.seconds is None

    @property
    def seconds(self) -> float | None:
        """Return what the longer answer took; None as long as one goes on."""
        ends = self.whole.done, self.streamed.done
        return max(ends[0].at, ends[1].at) if ends[0] and ends[1] else None


def find(race_id: str | None) -> Race | None:
    """Return the race of this id; None for none, and for one whose answers are not kept any more."""
    lab = engine()
    with suppress(UnknownChat, HubUnreachable):
        chat = lab.portal.call(lab.chats.get, race_id) if race_id else None
        turn = chat.turns[-1] if chat else None
        whole, streamed = (find_log(whole_of(turn)), find_log(turn.run_id)) if turn else (None, None)
        if chat and whole and streamed:
            return Race(chat, whole, streamed)
    return None


def draw(race: Race) -> tuple[Outcome, Outcome]:
    """Draw both answers, to their ends if they are live, and return what the whole and the streamed one came to."""
    with st.container(horizontal=True, vertical_alignment="center"):
        badge = st.empty()
        st.text(race.turn.question)  # as typed
    badge.badge(t("home.live" if race.live else "home.over"), color="blue" if race.live else "gray")
    left, right = st.columns(2, wrap=False)  # on a phone, too: what differs is seen at once
    whole, streamed = _Panel(left, "whole", race), _Panel(right, "streamed", race)
    whole.wait()
    streamed_id, whole_id = race.turn.run_id, whole_of(race.turn)
    # The one that streams is waited for, the other one is only looked at: nothing holds up the words.
    with following(streamed_id) as batches, following(whole_id, poll_interval=0.0) as others, streamed.place:
        answer.follow(_both(streamed.observed(batches), whole.observed(others), whole.draw_text))
    badge.badge(t("home.over"), color="gray")
    return whole.end(), streamed.end()


def _both(
    batches: Iterator[list[Item]], others: Iterator[list[Item]], look: Callable[[], None]
) -> Iterator[list[Item]]:
    """Yield the batches of the one run, and `look` when the other has ended; to the end of both."""
    ended, other_ended = False, False
    while not (ended and other_ended):
        if not other_ended and (other_ended := next(others, None) is None):
            look()
        batch = next(batches, None)
        ended = batch is None
        if batch is not None:
            yield batch
        elif not other_ended:
            time.sleep(POLL_INTERVAL)
            yield []


class _Panel:
    """One answer: its clock, and its text beneath that.

    The times are the log's: who comes late is given several events as one.
    """

    def __init__(self, column: DeltaGenerator, lane: Lane, race: Race) -> None:
        self._lane = lane
        self._race = race
        self._log = race.whole if lane == "whole" else race.streamed
        self._followed = Stopwatch()
        self._first: float | None = None
        self._outcome: Outcome | None = None
        self._drawn: tuple[Times, float | None] | None = None
        with column.container(border=True):
            self._clock = st.empty()
            self.place = st.container(height=TEXT_HEIGHT, border=False, autoscroll=True)
        self._tell(Times())

    def observed(self, batches: Iterator[list[Item]]) -> Iterator[list[Item]]:
        """Yield the batches, and let the clock tell what they bring."""
        for batch in batches:
            events = [item for item in batch if isinstance(item, Event)]
            for event in events:
                self._followed.observe(event)
            if events and isinstance(events[-1], Done):
                self._outcome = engine().portal.call(self._log.outcome)
            self._tell(Times.of(self._outcome) if self._outcome else Times.begun(self._first_text()))
            yield batch

    def wait(self) -> None:
        """Say that there is nothing to read."""
        self._text = self.place.empty()
        self._text.markdown(f":shimmer[{t('home.waiting')} …]")

    def draw_text(self) -> None:
        """Draw the answer when it has come, all at once."""
        if self._outcome:
            with self._text.container():
                answer.draw_outcome(self._outcome)

    def end(self) -> Outcome:
        """Draw how it ended, where that needs words, and return what it came to.

        Both bars have the scale of the longer answer then.
        """
        if self._outcome:
            self._tell(Times.of(self._outcome))
        outcome = self._outcome or outcome_of([])
        if outcome.status != "completed" or not outcome.text:
            with self.place:
                answer.draw_ending(outcome)
        return outcome

    def _first_text(self) -> float | None:
        """Return when the first text came, if it has; a retry voids it."""
        if self._followed.timings.ttft is None:
            self._first = None
        elif self._first is None:
            self._first = timings(engine().portal.call(self._log.since, 0)).ttft
        return self._first

    def _tell(self, times: Times) -> None:
        seconds = self._race.seconds
        if (times, seconds) != self._drawn:
            self._drawn = times, seconds
            elapsed = time.monotonic() - self._log.began if seconds is None else seconds
            draw_clock(self._clock, self._lane, times, elapsed)
