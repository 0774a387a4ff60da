"""Pages at conversations over Streamlit's WebSocket protocol, without a browser: they show what is asked elsewhere."""

import asyncio
import random
import time
from typing import Any

from streamlab_client import StreamlabError
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import DoubleArray
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from tests.classroom import Asked, Classroom, Tally, sleep_until, until
from tests.conftest import demo_model
from tests.ledger import Notes
from tests.readers import fields_of

PAUSE = 60.0  # seconds from one question to the next, about
QUESTIONS = 5  # while a page is open
SHOWN = 40.0  # seconds in which a page has to show what was asked and answered
MOMENT = 0.1  # seconds that a browser waits, as in components/page/changes.py


class OpenPage:
    """A page at a conversation, which is run again at each change, as a browser does it; and what it has shown."""

    def __init__(self, url: str, chat_id: str, tally: Tally) -> None:
        self._url = url.replace("http", "ws", 1)
        self._chat_id = chat_id
        self._seen, self._faults = tally.pages, tally.faults
        self._told: list[str] = []  # what was asked of the server, and what it said of its scripts
        self._widgets: dict[str, WidgetState] = {}
        self.texts: set[str] = set()
        self._page: ClientConnection

    async def stay(self) -> None:
        """Be open until this is cancelled. Nothing stops the app, so a connection that breaks is counted."""
        try:
            await self._stay()
        except* (OSError, WebSocketException):
            self._seen["connections broken"] += 1

    async def _stay(self) -> None:
        protocols = [Subprotocol("streamlit")]
        options: dict[str, Any] = {"compression": None, "max_size": None, "open_timeout": 60, "proxy": None}
        async with connect(f"{self._url}/_stcore/stream", subprotocols=protocols, **options) as self._page:
            await self._run()
            async with (
                connect(f"{self._url}/changes?chat={self._chat_id}", proxy=None) as changes,
                asyncio.TaskGroup() as tasks,
            ):
                tasks.create_task(self._read())
                tasks.create_task(self._hear(changes))

    async def _hear(self, changes: ClientConnection) -> None:
        async for _ in changes:
            self._seen["changes"] += 1
            await asyncio.sleep(MOMENT)
            await self._run()

    async def _read(self) -> None:
        async for data in self._page:
            message = ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode())
            if message.HasField("script_finished"):
                self._seen["scripts"] += 1
                self._tell(f"finished {message.script_finished}")
            element = message.delta.new_element
            if element.HasField("exception"):
                error = f"{element.exception.type} {element.exception.message[:200]} after {self._told}"
                self._faults.add("exceptions", 1, f"page {self._chat_id}: {error}")
            if widget := _widget(element):
                self._widgets[widget.id] = widget
            if element.text.body:
                self.texts.add(element.text.body)
            if element.markdown.body:
                self.texts.add(element.markdown.body)

    def _tell(self, what: str) -> None:
        self._told.append(f"{time.strftime('%X')} {what}")
        del self._told[:-10]

    async def _run(self) -> None:
        self._tell("run")
        message = BackMsg()
        message.rerun_script.page_name = "chat"
        message.rerun_script.query_string = f"chat={self._chat_id}"
        message.rerun_script.widget_states.widgets.extend(self._widgets.values())
        await self._page.send(message.SerializeToString())


def _widget(element: Element) -> WidgetState | None:
    """Return a widget's state as it is at first. A browser always sends all of them: Streamlit forgets the others."""
    match element.WhichOneof("type"):
        case "selectbox":
            box = element.selectbox
            return WidgetState(id=box.id, string_value=box.options[box.default])
        case "text_area":
            return WidgetState(id=element.text_area.id, string_value=element.text_area.default)
        case "checkbox":
            return WidgetState(id=element.checkbox.id, bool_value=element.checkbox.default)
        case "slider":
            return WidgetState(id=element.slider.id, double_array_value=DoubleArray(data=element.slider.default))
    return None


class Conversation:
    """A conversation that is gone on with elsewhere while a page is open at it; after some questions another begins."""

    def __init__(self, room: Classroom, url: str, number: int) -> None:
        self._room, self._url, self._number = room, url, number
        self._chance = random.Random(f"page {number}")
        self._asked = 0
        self._page: OpenPage | None = None
        self._id: str | None = None

    async def go_on(self) -> None:
        """Ask now and then until the class is over."""
        await asyncio.sleep(self._chance.uniform(0, PAUSE))
        while not self._room.over.is_set():
            self._id = None
            await self._ask()
            if self._id is not None:
                await self._with_page(self._id)
            else:
                await self._pause()

    async def _with_page(self, chat_id: str) -> None:
        """Ask more questions in a conversation that is open on a page, which is closed then."""
        self._page = OpenPage(self._url, chat_id, self._room.tally)
        opened = asyncio.create_task(self._page.stay())
        try:
            for _ in range(QUESTIONS):
                await self._pause()
                if self._room.over.is_set():
                    return
                await self._ask()
        finally:
            self._page = None
            opened.cancel()
            await asyncio.wait([opened])

    async def _pause(self) -> None:
        await sleep_until(self._room.over, self._chance.uniform(PAUSE / 2, PAUSE * 1.5))

    async def _ask(self) -> None:
        self._asked += 1
        question = f"Question {self._number}.{self._asked}"
        options = {"rate": 10, "first": 0.3, "chunks": self._chance.randint(10, 40)}
        client = self._chance.choice(list(self._room.readers.clients.values()))
        stream = client.chat(question, model=demo_model(**options), conversation=self._id)
        notes = Notes(f"page {self._number}")
        began = asyncio.get_running_loop().time()
        try:
            async for event in stream:
                notes.take(event.type, stream.token or "", fields_of(event))
        except StreamlabError as error:
            self._room.tally.refused[f"page: {error.code or type(error).__name__}"] += 1
            notes.stays = False
        if stream.run_id is None:
            return
        self._id = stream.conversation or self._id
        self._room.account(Asked(stream.run_id, began, asyncio.get_running_loop().time(), [notes]))
        if self._page:
            await self._shown(self._page, question, stream.answer)

    async def _shown(self, page: OpenPage, question: str, answer: str) -> None:
        """Count the question and its answer as shown once they are, and as unseen if they are not."""
        seen = self._room.tally.pages
        for what, text in (("questions", question), ("answers", answer.strip())):
            shown = await until(lambda text=text: any(text in each for each in page.texts), SHOWN)  # type: ignore[misc]
            seen[f"{what} shown" if shown else f"{what} unseen"] += 1
