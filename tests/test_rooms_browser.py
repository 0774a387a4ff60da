"""A class in real browsers: a teacher, participants, and the wall."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from benchmarks.harness import free_port
from components.page.texts import texts
from tests.browser import MODELS, Site, browsing, needs_chromium
from tests.test_accessibility import findings
from tests.test_connection_browser import serve

pytestmark = needs_chromium

EN, JA = texts("en"), texts("ja")


@pytest.fixture(scope="module")
def shared(shared_app: str) -> Iterator[Site]:
    with browsing(shared_app) as found:
        yield found


def open_room(page: Page) -> str:
    """Open a room as its teacher; return the address for participants."""
    page.get_by_label(EN["room.open_name"]).fill("Class 3b")
    page.get_by_role("button", name=EN["room.open_it"]).click()
    expect(page.get_by_role("heading", name="Class 3b")).to_be_visible()
    return page.get_by_test_id("stCode").get_by_text("code=").inner_text()


def join(page: Page, name: str, words: dict[str, str]) -> None:
    page.get_by_label(words["room.join_name"]).fill(name)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=words["room.hand"], exact=False).first).to_be_visible()


def figure(page: Page, label: str) -> Locator:
    return page.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue")


def total(page: Page, name: str) -> Locator:
    return page.get_by_role("row", name=name)


def test_a_teacher_and_two_participants(shared: Site) -> None:
    """Who joins, moves and raises a hand is on the board, and nobody does anything there for it."""
    with ExitStack() as stack:
        teacher, ken = (stack.enter_context(shared.opened("/room")) for _ in range(2))
        address = open_room(teacher)
        ken.get_by_label(EN["room.join_code"]).fill(address.partition("code=")[2].lower())
        join(ken, "Ken", EN)
        hana = stack.enter_context(shared.opened(address, "ja"))
        join(hana, "花", JA)
        expect(figure(teacher, EN["room.present"])).to_have_text("2 / 30")
        hana.get_by_role("button", name=JA["room.hand"]).click()
        hana.get_by_label(JA["room.hand_word"]).fill("<b>わかりません</b>")
        hana.keyboard.press("Enter")
        expect(teacher.get_by_text("<b>わかりません</b>")).to_be_visible()
        expect(hana.get_by_role("button", name=JA["room.lower"])).to_be_visible()
        teacher.get_by_role("button", name=EN["room.lower_of"].format(name="\u2068花\u2069")).first.click()
        expect(hana.get_by_role("button", name=JA["room.hand"])).to_be_visible()
        ken.get_by_role("link", name=EN["chunks.title"]).first.click()
        expect(total(teacher, EN["chunks.title"])).to_contain_text(EN["room.here"].format(here=1))


@pytest.mark.soak
def test_a_task_that_is_done_is_on_the_board_at_once(shared: Site) -> None:
    """While the answer that it is about is still arriving."""
    with shared.opened("/room") as teacher, shared.opened("/room") as ken:
        ken.goto(open_room(teacher))
        join(ken, "Ken", EN)
        ken.get_by_role("link", name=EN["chat.title"]).first.click()
        ken.locator(".st-key-settings-model").get_by_role("combobox").click()
        ken.get_by_role("option", name=MODELS["long"], exact=True).click()
        ken.get_by_test_id("stChatInputTextArea").fill("Explain streaming in detail")
        ken.keyboard.press("Enter")
        expect(ken.get_by_role("button", name=EN["chat.stop"])).to_be_visible()
        ken.reload()
        expect(total(teacher, EN["chat.title"])).to_contain_text(EN["room.done_of"].format(done=1, all=1))
        expect(ken.get_by_role("button", name=EN["chat.stop"])).to_be_visible()
        teacher.locator(".st-key-room-names").get_by_text(EN["room.names"]).click()
        expect(teacher.get_by_role("cell", name="✓")).to_be_visible()
        assert findings(teacher) == []


@pytest.mark.soak
def test_nobody_loses_the_room_when_its_server_starts_anew(shared: Site, tmp_path: Path) -> None:
    """Teacher, wall and participant are back by themselves, and what was done is there."""
    port, store = free_port(), {"LAB_STORE": f"sqlite:///{tmp_path / 'store'}"}
    with ExitStack() as stack:
        server = stack.enter_context(ExitStack())
        server.enter_context(serve(tmp_path, port, **store))
        here = Site(shared.browser, f"http://localhost:{port}")
        teacher, ken, wall = (stack.enter_context(here.opened("/room")) for _ in range(3))
        address = open_room(teacher)
        wall.goto(f"{address}&view=projector")
        ken.goto(address)
        join(ken, "Ken", EN)
        expect(wall.get_by_text(EN["room.summary"].format(present=1, hands=0))).to_be_visible()
        server.close()
        server.enter_context(serve(tmp_path, port, **store))
        ken.get_by_role("link", name=EN["chunks.title"]).first.click()
        expect(total(teacher, EN["chunks.title"])).to_contain_text(EN["room.here"].format(here=1))
        expect(total(wall, EN["chunks.title"])).to_contain_text(EN["room.here"].format(here=1))


@pytest.mark.soak
@pytest.mark.parametrize("view", ["", "&view=projector"])
def test_what_a_participant_and_the_wall_see_has_no_finding_of_ours(shared: Site, view: str) -> None:
    with shared.opened("/room") as teacher, shared.opened("/room") as page:
        address = open_room(teacher)
        page.goto(address + view)
        if not view:
            assert findings(page) == []
            join(page, "Ken", EN)
        expect(page.get_by_text("Class 3b").first).to_be_visible()
        assert findings(page) == []
