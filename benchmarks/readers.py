"""Many browsers without a browser: pages that speak Streamlit's WebSocket protocol from a process of their own.

`python -m benchmarks.readers URL PAGE PAGES SPREAD` opens so many pages, asks a question of its own (`page 7`) on
each within `SPREAD` seconds, reads until every script has ended, and prints for each page when how much of its answer
had arrived.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field

import uvloop
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from benchmarks.harness import ROOT

CONNECTING = 8  # pages that load at the same time
SPACE = re.compile(r"\s+")
MARK = "word"  # every piece of the model's synthetic text has it, and nothing else on the page

Seen = list[tuple[float, int]]  # CLOCK_MONOTONIC, characters but for white space


def start_reading(url: str, page: str, pages: int, spread: float) -> "subprocess.Popen[str]":
    """Start the readers' process; it prints for each question what its page had received when."""
    command = [sys.executable, "-m", "benchmarks.readers", url, page, str(pages), str(spread)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


@dataclass
class Page:
    """One browser tab. What arrives is only kept while it is measured, and parsed afterwards."""

    name: str
    url: str
    question: str
    socket: ClientConnection = field(init=False)
    box: str = ""  # the chat input's id
    script: str = ""  # the page's hash
    arrived: list[tuple[float, bytes]] = field(default_factory=list)

    async def load(self) -> None:
        address = self.url.replace("http", "ws") + "/_stcore/stream"
        self.socket = await connect(
            address, subprotocols=[Subprotocol("streamlit")], compression=None, max_size=None, open_timeout=60
        )
        message = BackMsg()
        message.rerun_script.page_name = self.name
        await self.socket.send(message.SerializeToString())
        while not self._look(await self._receive()):
            pass
        if not self.box:
            raise RuntimeError("the page has no chat input")

    async def ask(self) -> None:
        """Send the question as the chat input does, and read until the script has ended.

        A browser tells the state of every widget; those that are not told here have their first value.
        """
        message = BackMsg()
        message.rerun_script.page_script_hash = self.script
        state = message.rerun_script.widget_states.widgets.add()
        state.id = self.box
        state.chat_input_value.data = self.question
        await self.socket.send(message.SerializeToString())
        while True:
            data = await self._receive()
            self.arrived.append((time.monotonic(), data))
            if len(data) < 100 and self._look(data):
                return

    def seen(self) -> Seen:
        """Return how much of the answer had arrived when, over all elements that show some of it."""
        elements: dict[tuple[int, ...], int] = {}
        seen: Seen = []
        for at, data in self.arrived:
            message = ForwardMsg.FromString(data)
            body = message.delta.new_element.markdown.body
            if MARK in body:
                elements[tuple(message.metadata.delta_path)] = len(SPACE.sub("", body))
                seen.append((at, sum(elements.values())))
        return seen

    async def _receive(self) -> bytes:
        data = await self.socket.recv()
        if isinstance(data, str):
            raise TypeError("Streamlit sends no text frames")
        return data

    def _look(self, data: bytes) -> bool:
        """Note what the next rerun needs; return True when the script has ended for good."""
        message = ForwardMsg.FromString(data)
        element = message.delta.new_element
        if element.WhichOneof("type") == "chat_input":
            self.box = element.chat_input.id
        if message.HasField("new_session"):
            self.script = message.new_session.page_script_hash
        elif message.HasField("navigation"):
            self.script = message.navigation.page_script_hash
        if message.WhichOneof("type") != "script_finished":
            return False
        return bool(message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN)


async def main(url: str, name: str, count: int, spread: float) -> None:
    pages = [Page(name, url, f"page {number}") for number in range(count)]
    gate = asyncio.Semaphore(CONNECTING)

    async def load(page: Page) -> None:
        async with gate:
            await page.load()

    async def ask(page: Page, wait: float) -> None:
        await asyncio.sleep(wait)
        await page.ask()

    await asyncio.gather(*map(load, pages))
    await asyncio.sleep(1)
    await asyncio.gather(*(ask(page, number * spread / count) for number, page in enumerate(pages)))
    print(json.dumps({page.question: page.seen() for page in pages}))
    await asyncio.gather(*(page.socket.close() for page in pages))


if __name__ == "__main__":
    url, name, count, spread = sys.argv[1:]
    uvloop.run(main(url, name, int(count), float(spread)))
