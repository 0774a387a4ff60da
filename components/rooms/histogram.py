"""What a class has guessed, beside the truth: no guess has a name."""

from collections import Counter
from typing import Any

import altair as alt
import streamlit as st

from components.page.charts import marks
from components.page.colors import GOOD, MODEL
from components.page.texts import t, together
from components.rooms.questions import choices_of, unit_of, value_text
from streamlab.rooms.board import Guess
from streamlab.rooms.event import GuessAsked
from streamlab.rooms.guesses import histogram, number_text

HEIGHT, ROW = 260, 44  # pixels of a histogram, and of a choice
TEXT = 16  # pixels
HEAD = 0.6  # of a participant, above the highest bar, where the truth is written


def draw_guesses(guess: Guess, key: str) -> None:
    """Draw how often each was guessed, and the truth, which is also said in words."""
    asked = guess.asked
    if asked is None:
        return
    truth = guess.revealed.value if guess.revealed else None
    values = [each.value for each in guess.guesses.values()]
    if asked.choices:
        counts = Counter(int(value) for value in values)
        draw = _choices_chart(asked, counts, truth)
        said = [f"{name}: {counts[number]}" for number, name in enumerate(choices_of(asked))]
        beyond = 0
    else:
        found = histogram(values, truth)
        draw, beyond = _numbers_chart(asked, found.bars, truth), found.beyond
        said = [f"{number_text(bar.low)}–{number_text(bar.high)}: {bar.count}" for bar in found.bars if bar.count]
    if values:
        words = t("room.histogram", guesses="; ".join(said), truth=truth_text(guess))
        st.vega_lite_chart(spec=draw.to_dict(), key=f"room.histogram.{key}.{asked.id}", alt=words)
    st.caption(together(t("room.guessed", number=len(values)), t("room.beyond", number=beyond) if beyond else ""))


def truth_text(guess: Guess) -> str:
    """Return the truth as it is read."""
    if guess.asked is None or guess.revealed is None or guess.revealed.value is None:
        return t("room.no_truth")
    return value_text(guess.asked, guess.revealed.value)


def _numbers_chart(asked: GuessAsked, bars: Any, truth: float | None) -> alt.LayerChart | alt.FacetChart:
    rows = [{"low": bar.low, "high": bar.high, "zero": 0, "count": bar.count} for bar in bars if bar.count]
    title = t("room.axis_guess", unit=unit_of(asked)) if unit_of(asked) else t("room.axis_guess_plain")
    ends = [bar.low for bar in bars] + [bar.high for bar in bars] or [0.0, 1.0]
    x = alt.X("low:Q", title=title, scale=alt.Scale(domain=[min(ends), max(ends)], nice=False))
    y = alt.Y("count:Q", title=t("room.axis_count"), axis=alt.Axis(tickMinStep=1, format="d"))
    y = y.scale(domain=[0, max([1, *(bar.count for bar in bars)]) + HEAD], nice=False)
    drawn = marks(rows).mark_rect(color=MODEL, stroke="transparent", strokeWidth=2)
    drawn = drawn.encode(x=x, x2="high:Q", y=y, y2="zero:Q")
    if truth is None:
        return alt.layer(drawn).properties(height=HEIGHT, width="container")
    at = marks([{"low": truth, "text": t("room.truth_mark", truth=value_text(asked, truth))}]).encode(x=x)
    middle = (min(ends) + max(ends)) / 2
    beside: dict[str, Any] = {"align": "left", "dx": 6} if truth <= middle else {"align": "right", "dx": -6}
    words = at.mark_text(y=8, fontSize=TEXT, fontWeight="bold", color=_text_color(), **beside).encode(text="text:N")
    return alt.layer(drawn, at.mark_rule(color=GOOD, strokeWidth=3, strokeDash=[6, 3]), words).properties(
        height=HEIGHT, width="container"
    )


def _choices_chart(asked: GuessAsked, counts: Counter[int], truth: float | None) -> alt.LayerChart | alt.FacetChart:
    names = choices_of(asked)
    rows = [
        {
            "lane": f"{number + 1}. {name}" if truth != number else f"✓ {number + 1}. {name}",
            "count": counts[number],
            "color": GOOD if truth == number else MODEL,
        }
        for number, name in enumerate(names)
    ]
    lanes = [str(row["lane"]) for row in rows]
    # The names stand above the bars: beside them a phone would have no room.
    y = alt.Y("lane:N", title=None, sort=lanes, axis=None, scale=alt.Scale(domain=lanes))
    top = max([1, *counts.values()])
    x = alt.X("count:Q", title=t("room.axis_count"), axis=alt.Axis(tickMinStep=1, format="d"))
    x = x.scale(domain=[0, top], nice=False)
    base = marks(rows).encode(y=y)
    bars = base.mark_bar(height=12, yOffset=10).encode(x=x, color=alt.Color("color:N", scale=None, legend=None))
    text = base.mark_text(align="left", x=2, dy=-8, fontSize=TEXT, color=_text_color(), limit=900)
    return alt.layer(bars, text.encode(text="lane:N")).properties(height=ROW * len(names), width="container")


def _text_color() -> str:
    """Return the colour of text on the page: Streamlit themes only a chart's axes for light or dark."""
    return str(st.get_option(f"theme.{st.context.theme.type or 'light'}.textColor"))
