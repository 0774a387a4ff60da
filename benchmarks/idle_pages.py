"""What fifty chat pages cost that nobody does anything on, and how soon one of them shows what another one asked.

Each page speaks Streamlit's WebSocket protocol, is at a conversation of its own, and waits for word of a change as the
browser does (`/changes`). *Idle* is the CPU of the server, of one core, while nothing happens. *Change* is from a
question that is asked over the gateway, of ten of the conversations one after the other, to the arrival of the question
at the page, whose script is run again when it hears of the change, with the moment that the browser waits before that.
"""

import asyncio
import statistics
import time
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from benchmarks.harness import ROOT, Claim, Result, Server, post, streamlit_server

PAGES = 50
IDLE = 20.0  # seconds
SETTLING = 5.0  # seconds after the last page was loaded
MOMENT = 0.1  # seconds that the browser waits, as in components/page/changes.py
ASKED = 10
TARGET_CPU = 0.05  # of one core
TARGET_CHANGE = 1.0  # seconds
SETTINGS = {"LAB_MODELS": "demo?first=0&rate=2000", "LAB_GRPC_PORT": "0"}
SETTINGS |= {"GATEWAY_RUNS_PER_MINUTE": "1000", "GATEWAY_MAX_RUNS": "100"}


class IdlePage:
    """A page at a conversation, with the two connections that a browser has for it."""

    def __init__(self, server: Server, chat_id: str) -> None:
        self._address = server.url.replace("http", "ws")
        self._chat_id = chat_id
        self._page: ClientConnection
        self._changes: ClientConnection

    async def load(self) -> None:
        protocols = [Subprotocol("streamlit")]
        self._page = await connect(
            f"{self._address}/_stcore/stream", subprotocols=protocols, compression=None, max_size=None, open_timeout=60
        )
        await self._run()
        while not (await self._message()).HasField("script_finished"):
            pass
        self._changes = await connect(f"{self._address}/changes?chat={self._chat_id}")
        await self._changes.recv()  # the version that it shows

    async def shows(self, question: str) -> None:
        """Wait for word of a change, run the script, and read until the question is there."""
        await self._changes.recv()
        await asyncio.sleep(MOMENT)
        await self._run()
        while (await self._message()).delta.new_element.text.body != question:
            pass

    async def close(self) -> None:
        await asyncio.gather(self._page.close(), self._changes.close())

    async def _run(self) -> None:
        message = BackMsg()
        message.rerun_script.page_name = "chat"
        message.rerun_script.query_string = f"chat={self._chat_id}"
        await self._page.send(message.SerializeToString())

    async def _message(self) -> ForwardMsg:
        data = await self._page.recv()
        return ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode())


async def measure(server: Server) -> dict[str, Any]:
    """Return the share of a core that idle pages took, and the seconds of each change."""
    chats = [await _ask(server, f"question {number}") for number in range(PAGES)]
    pages = [IdlePage(server, chat_id) for chat_id in chats]
    for page in pages:
        await page.load()
    await asyncio.sleep(SETTLING)
    before, began = server.cpu_seconds(), time.monotonic()
    await asyncio.sleep(IDLE)
    share = (server.cpu_seconds() - before) / (time.monotonic() - began)
    changes = []
    for number in range(ASKED):
        began = time.monotonic()
        asking = asyncio.create_task(_ask(server, f"changed {number}", chats[number]))
        await pages[number].shows(f"changed {number}")
        changes.append(time.monotonic() - began)
        await asking
    await asyncio.gather(*(page.close() for page in pages))
    return {"share": share, "changes": changes}


async def _ask(server: Server, question: str, chat_id: str | None = None) -> str:
    body = {"message": question} | ({"conversation": chat_id} if chat_id else {})
    started = await asyncio.to_thread(post, f"{server.url}/api/runs", body)
    return str(started["conversation"])


def run(rounds: int = 3) -> Result:
    observed = []
    for _ in range(rounds):
        with streamlit_server(ROOT / "app.py", environment=SETTINGS) as server:
            observed.append(asyncio.run(measure(server)))
        latest = observed[-1]
        print(f"  {PAGES} pages: {latest['share']:.2%} of a core, changes {max(latest['changes']):.2f} s at most")
    share = statistics.median(each["share"] for each in observed)
    change = statistics.median(second for each in observed for second in each["changes"])
    return Result(
        [
            Claim(f"CPU of {PAGES} idle pages, of a core", share * 100, 100, TARGET_CPU, "%"),
            Claim("a question at the other page, median", change, 1.0, TARGET_CHANGE, "s"),
        ],
        observed,
    )
