"""Answers from a schedule instead of a chain, to measure what the pages themselves cost.

`BENCH_WRITER` says whether a run of ours gives the text to the page, or a generator
to `st.write_stream`. A file named for the question, in `BENCH_TIMES`, keeps when each chunk was due.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import streamlit as st

from components.answer import answer
from components.page.lab import engine, following
from streamlab.demo_model.chunks import cut, synthetic
from streamlab.events.event import StreamEvent, TextDelta, Usage
from streamlab.runs.chain import Clock

RATE = 50
SIZE = 5
PARAGRAPH = 400
FIRST = 0.5  # seconds


class Scheduled:
    """An attempt at a run that starts a new schedule."""

    remark = None

    def __init__(self, question: str, chunks: int) -> None:
        self.pieces = cut(synthetic(chunks * SIZE, PARAGRAPH), SIZE)
        began = time.monotonic() + FIRST
        self.due = [began + number / RATE for number in range(chunks)]
        (Path(os.environ["BENCH_TIMES"]) / f"{question}.json").write_text(json.dumps(self.due))

    @property
    def usage(self) -> Usage:
        return Usage(0, len(self.pieces))

    async def events(self, clock: Clock) -> AsyncIterator[list[StreamEvent]]:
        for due, piece in zip(self.due, self.pieces, strict=True):
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            yield [TextDelta(piece, at=clock())]

    def texts(self) -> Iterator[str]:
        for due, piece in zip(self.due, self.pieces, strict=True):
            time.sleep(max(0.0, due - time.monotonic()))
            yield piece


def draw(question: str, chunks: int) -> None:
    scheduled = Scheduled(question, chunks)
    if os.environ["BENCH_WRITER"] == "plain":
        st.write_stream(scheduled.texts())
        return
    lab = engine()
    run_id = lab.portal.call(lab.runs.start, lambda: scheduled)
    with following(run_id) as batches:
        answer.follow(batches)


asked = st.chat_input("Question")
if asked:
    with st.chat_message("assistant"):
        draw(asked, int(os.environ["BENCH_CHUNKS"]))
