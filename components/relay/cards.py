"""The cards: one for each client of a run. What is in the browser is in client/."""

from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from typing import get_args

import streamlit as st

from components.page import colors
from components.page.folder import folder
from components.page.texts import LANGUAGE_KEY, t
from components.relay.remote import Command, Standing
from streamlab.text.reading import Unit

CLIENTS = "relay.clients"
WORDS = (
    "add", "sse", "websocket", "grpc", "late", "text", "cut", "reconnect", "slow", "leave", "full",
    "sum_readers", "sum_sent_words", "sum_sent_characters", "sum_comebacks", "sum_lost",
    "line_current", "line_whole", "line_none",
    "figures", "seq", "lag", "bytes", "reconnects", "merged", "wrong",
    "state_connecting", "state_open", "state_slow", "state_cut", "state_lost", "state_refused", "state_whole",
    "state_differs", "state_ended",
    "note_local", "note_refused", "note_gap", "note_slow", "note_grpc",
)  # fmt: skip

_FOLDER = files("components.relay") / "client"
HTML = """
<div class="relay">
    <dl class="sums"></dl>
    <div class="bar" role="group"></div>
    <div class="cards"></div>
    <div class="spoken" role="status"></div>
</div>
"""
_MARKS = {
    "good": colors.GOOD,
    "waiting": colors.WAITING,
    "model": colors.MODEL,
    "tool": colors.TOOL,
    "failed": colors.FAILED,
}


def _read(*names: str) -> str:
    return "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)


JS = _read("streaming_lab_client.js", "client.js", "card.js", "bench.js")  # one module; the first: see `make client`

_component = st.components.v2.component(
    "relay_clients",
    html=HTML,
    css=f".relay {{ {' '.join(f'--{name}: {color};' for name, color in _MARKS.items())} }}\n{_read('cards.css')}",
    js=JS,
)


def draw_clients(run_id: str, token: str, now: Standing, *, served: bool, act: Callable[[Command, str], None]) -> bool:
    """Draw the cards of a run that `token` reads.

    `served`: a client over gRPC can be had; `act` is told what it is to do. Returns whether a client of this run was
    cut here, resumed, and then had all of the text.
    """

    def asked() -> None:
        if what := st.session_state[CLIENTS].remote:
            act(what, run_id)

    result = _component(
        key=CLIENTS,
        data={
            "api": f"{folder()}/api",
            "run": run_id,
            "token": token,
            "head": (now.seq, now.at),
            "unit": now.unit,
            "written": now.written,
            "remote": asdict(now.look) | now.delays if now.look else None,
            "served": served,
            "language": st.session_state[LANGUAGE_KEY],
            "late": t("relay.card_note_late", seq="{seq}"),
            "words": {name: t(f"relay.card_{name}") for name in WORDS}
            | {f"behind_{unit}": t(f"relay.card_behind_{unit}", number="{number}") for unit in get_args(Unit)},
        },
        on_resumed_change=lambda: None,
        on_remote_change=asked,
    )
    return bool(result.resumed == run_id)


def was_resumed() -> bool:
    """Tell whether a client of this session was cut, resumed, and then had all of its text."""
    return bool(getattr(st.session_state.get(CLIENTS), "resumed", None))
