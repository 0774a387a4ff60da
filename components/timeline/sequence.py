"""The sequence diagram of a run, at the size of the page's text. What is in the browser is in client/."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import streamlit as st

from components.page import colors
from components.page.texts import t
from components.timeline.lanes import ShownRun
from streamlab.timeline.diagram import USER, Block, diagram
from streamlab.timeline.spans import MODEL

KEY = "timeline.sequence"
LABELS = ("answer", "thinking", "retry", "error", "stopped")

_FOLDER = files("components.timeline") / "client"
_component = st.components.v2.component(
    "timeline_sequence",
    html='<div class="sequence" role="group" tabindex="0"></div>',
    css=f":host {{ --failed: {colors.FAILED}; }}\n{(_FOLDER / 'sequence.css').read_text('utf-8')}",
    js=(_FOLDER / "sequence.js").read_text("utf-8"),
)


def draw_sequence(run: ShownRun, chosen: int | None, choose: Callable[[int], None]) -> None:
    """Draw who told whom what; `chosen` and what `choose` is told are numbers of events."""
    labels = {name: t(f"timeline.sequence_{name}") for name in LABELS}
    made = diagram(run.events, {**labels, "question": run.name})
    names = {USER: t("timeline.sequence_user"), MODEL: t("timeline.sequence_model")}
    columns = {name: number for number, name in enumerate(made.participants)}

    def told() -> None:
        if seq := st.session_state[KEY].chosen:
            choose(int(seq))

    _component(
        key=KEY,
        data={
            "label": t("timeline.tab_sequence"),
            "participants": [names.get(name, name[1:]) for name in made.participants],
            "blocks": [_written(block, columns) for block in made.blocks],
            "chosen": chosen,
            "together": t("timeline.together"),
            "rest": t("timeline.left_out", number=made.left_out) if made.left_out else "",
        },
        on_chosen_change=told,
    )


def _written(block: Block, columns: dict[str, int]) -> list[list[dict[str, Any]]]:
    return [
        [
            {
                "kind": message.kind,
                "from": columns[message.source],
                "to": columns[message.target or message.source],
                "text": message.text,
                "seq": message.seq,
            }
            for message in branch
        ]
        for branch in block
    ]
