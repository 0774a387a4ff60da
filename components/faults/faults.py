"""The form for a trial, and the trials that were made."""

from dataclasses import dataclass
from typing import get_args

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.page import questions, settings
from components.page.address import TRIAL, show
from components.page.browser import browser
from components.page.history import History
from components.page.lab import engine
from components.page.texts import t
from components.page.widgets import button, choice, control
from streamlab.browsers.items import Item
from streamlab.events.event import StreamEvent
from streamlab.events.outcome import outcome_of
from streamlab.faults.trials import LEAST_SECONDS, MOST_ATTEMPTS, MOST_SECONDS, Policy, Trial, offered, read_trial
from streamlab.models.catalog import provider_kind
from streamlab.runs.run import Retries

TIMES: dict[str, int | None] = {"first": 1, "first_two": 2, "all": None}  # attempts that meet the fault
SECONDS = ("first_token", "silence", "total")
ROWS = 15  # of the table of trials, fewer than a session remembers
QUESTION, MET, CHOSEN_RETRIES, ATTEMPTS = (f"faults.{name}" for name in ("question", "times", "retries", "attempts"))


@dataclass(frozen=True)
class SavedTrial:
    """A trial as it was kept; its events once it has ended."""

    name: str
    trial: Trial
    events: list[StreamEvent] | None = None


def _read(item: Item) -> SavedTrial:
    trial, events = read_trial(item.body)
    return SavedTrial(item.name, trial, None if item.live else events)


HISTORY: History[Item, SavedTrial] = History("faults", TRIAL, lambda: engine().trials.items, _read)


def draw_form() -> DeltaGenerator:
    """Draw the controls and the start button; return the slot for the stop button."""
    with st.container(border=True):
        settings.draw()
        _draw_fault()
        with st.container(horizontal=True, gap="medium"):
            choice("faults.times", st.segmented_control, TIMES, default="first")
            # Off by default, so that a fault's effect is seen before what helps.
            choice("faults.retries", st.segmented_control, get_args(Retries), default="never")
        st.session_state.setdefault(QUESTION, t("faults.question_default"))
        control("faults.question", st.text_area, height=68)
        with st.container(horizontal=True):
            button("faults.start", "play_arrow", start, type="primary")
            stop_place = st.empty()
            attempts, first_token, silence, total = (
                f"{st.session_state.get(f'faults.{name}', getattr(Policy(), name)):g}"
                for name in ("attempts", *SECONDS)
            )
            limits = t("faults.limits", attempts=attempts, first_token=first_token, silence=silence, total=total)
            with st.popover(limits, icon=":material/timer:", wrap=True):
                _draw_limits()
    return stop_place


def start() -> None:
    """Start the trial that the form describes."""
    state = st.session_state
    policy = Policy(state[CHOSEN_RETRIES], state[ATTEMPTS], **{name: state[f"faults.{name}"] for name in SECONDS})
    start_trial(Trial(state[QUESTION], settings.options(), state[_fault_key()], TIMES[state[MET]], policy))


def start_trial(trial: Trial) -> None:
    """Start a trial, and show it."""
    lab, name, me = engine(), f"{describe(trial)} · {trial.question}", browser() or ""
    if run_id := questions.started([trial.options.model], lambda: lab.portal.call(lab.trials.start, trial, me, name)):
        show(TRIAL, run_id)


def _fault_key() -> str:
    """Name the control after the provider: each offers faults of its own, and keeps what was chosen for it."""
    return f"faults.fault.{provider_kind(settings.options().model).name}"


def _draw_fault() -> None:
    model = settings.options().model
    faults = offered(model)
    choice("faults.fault", st.pills, faults, default="cut" if "cut" in faults else "none", key=_fault_key(), wrap=True)
    st.caption(t(f"faults.about_{st.session_state[_fault_key()]}"))
    if "cut" not in faults:
        st.caption(t("faults.not_demo", wrong_key=provider_kind(model).wrong_key))


def _draw_limits() -> None:
    usual = Policy()
    control("faults.limit_attempts", st.number_input, 1, MOST_ATTEMPTS, usual.attempts, key=ATTEMPTS)
    for name in SECONDS:
        bounds = LEAST_SECONDS, MOST_SECONDS, float(getattr(usual, name))
        control(f"faults.limit_{name}", st.number_input, *bounds, 0.5, "%.2f", key=f"faults.{name}")


def describe(trial: Trial) -> str:
    """Describe a trial in one line."""
    return " · ".join((t(f"faults.fault_{trial.fault}"), _times(trial), t(f"faults.retries_{trial.policy.retries}")))


def _times(trial: Trial) -> str:
    name = next(name for name, times in TIMES.items() if times == trial.times)
    return t(f"faults.times_{name}")


def draw_difference(current: str | None) -> None:
    """Draw the newest trials, the newest first; a click on a row shows that trial."""
    newest = [(entry.key, saved) for entry in (HISTORY.entries() or [])[:ROWS] if (saved := _find(entry.key))]
    if not newest:
        return
    st.subheader(t("faults.difference"))
    st.caption(t("faults.difference_what"))
    ids = [id for id, _ in newest]
    shown = ids.index(current) if current in ids else None
    chosen = st.dataframe(
        [_figures(saved) for _, saved in newest],
        hide_index=True,
        column_config={
            t(f"faults.column_{name}"): st.column_config.NumberColumn(format="%.2f") for name in ("ttft", "total")
        },
        # One that shows another trial is another table: it begins with that row chosen.
        key=f"faults.difference.{current}.{len(ids)}",
        on_select="rerun",
        selection_mode="single-row" if shown is None else "single-row-required",
        selection_default=None if shown is None else {"selection": {"rows": [shown]}},
        placeholder="–",
        alt=t("faults.difference"),
    )
    for row in chosen["selection"]["rows"]:
        if row != shown:
            show(TRIAL, ids[row])
            st.rerun()


def _find(id: str) -> SavedTrial | None:
    """Return a trial; one that has ended does not change any more."""
    known = HISTORY.items.get(id)
    return known if known and known.events is not None else HISTORY.find(id)


def _figures(saved: SavedTrial) -> dict[str, object]:
    trial, events = saved.trial, saved.events
    known: dict[str, object] = dict.fromkeys(("attempts", "ttft", "total"))
    end = t("faults.end_running")
    if events:
        outcome = outcome_of(events)
        known |= {"attempts": outcome.retries + 1, "ttft": outcome.timings.ttft, "total": outcome.timings.total}
        ending = outcome.status if outcome.status in ("completed", "stopped") else "failed"
        end = t(f"faults.end_{ending}", code=outcome.code)
    options = {
        "fault": t(f"faults.fault_{trial.fault}"),
        "times": _times(trial),
        "retries": t(f"faults.retries_{trial.policy.retries}"),
        "end": end,
    }
    return {t(f"faults.column_{name}"): value for name, value in (options | known).items()}
