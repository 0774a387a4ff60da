"""A teacher shows a live answer to a class in real browsers, asks for a guess, and reveals it."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from components.page.texts import texts
from tests.browser import MODELS, Site, browsing, button, needs_chromium
from tests.test_accessibility import findings
from tests.test_rooms_browser import join, open_room

pytestmark = needs_chromium

EN, JA = texts("en"), texts("ja")


@pytest.fixture(scope="module")
def shared(shared_app: str) -> Iterator[Site]:
    with browsing(shared_app) as found:
        yield found


def follow(page: Page, name: str) -> None:
    page.get_by_role("link", name=name).first.click()


def popover(page: Page, label: str) -> Any:
    return page.get_by_test_id("stPopover").filter(has_text=label).first


def ask_in_chat(page: Page, model: str) -> None:
    follow(page, EN["chat.title"])
    expect(page.get_by_role("heading", name=EN["chat.title"], exact=True)).to_be_visible()
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    page.locator(".st-key-settings-model").get_by_role("combobox").click()
    page.get_by_role("option", name=MODELS[model], exact=True).click()
    page.get_by_test_id("stChatInputTextArea").fill("Explain streaming in detail")
    page.keyboard.press("Enter")
    expect(button(page, EN["chat.stop"])).to_be_visible()


def test_what_the_teacher_presents_and_asks(shared: Site) -> None:
    """An answer arrives for who comes late, nobody else stops it, and a guess is beside the truth."""
    with ExitStack() as stack:
        teacher, ken = (stack.enter_context(shared.opened("/room")) for _ in range(2))
        ken.goto(open_room(teacher))
        join(ken, "Ken", EN)
        ask_in_chat(teacher, "long")
        popover(teacher, EN["room.show_this"]).click()
        button(teacher, EN["room.show_at_once"]).click()
        expect(ken.get_by_text(EN["chat.read_only"])).to_be_visible()
        expect(ken.get_by_test_id("stChatMessage").last).to_contain_text("word1 word2")
        expect(button(ken, EN["chat.stop"])).to_have_count(0)
        button(teacher, EN["chat.stop"]).click()
        expect(ken.get_by_text(EN["chat.stopped"])).to_be_visible()
        button(ken, EN["room.back"]).click()
        expect(ken.get_by_text(EN["room.tasks"]).or_(ken.get_by_role("heading", level=1))).to_be_visible()

        popover(teacher, EN["room.ask"]).click()
        button(teacher, EN["room.ask_it"]).click()
        popover(ken, EN["room.guess_asked"]).click()
        ken.get_by_label(EN["guess.sooner"], exact=False).fill("７，５")
        ken.keyboard.press("Enter")
        mine = EN["room.my_guess"].format(guess="7.5 s")
        expect(popover(ken, mine)).to_be_visible()
        popover(teacher, EN["room.reveal"]).click()
        teacher.get_by_label(EN["room.truth_in"].format(unit="s")).fill("7.7")
        button(teacher, EN["room.reveal_it"]).click()
        said = EN["room.truth_and_guess"].format(truth="7.7 s", guess="7.5 s")
        expect(popover(ken, said)).to_be_visible()


@pytest.mark.soak
def test_who_is_invited_opens_it_beside_the_own_work(shared: Site) -> None:
    """Whoever comes late, too, in the own language; until the teacher ends it."""
    with ExitStack() as stack:
        teacher, hana = stack.enter_context(shared.opened("/room")), stack.enter_context(shared.opened("/room", "ja"))
        address = open_room(teacher)
        ask_in_chat(teacher, "quick")
        popover(teacher, EN["room.show_this"]).click()
        button(teacher, EN["room.show_invite"]).click()
        expect(button(teacher, EN["room.show_end"])).to_be_visible()
        hana.goto(address)
        join(hana, "花", JA)
        invitation = hana.get_by_role("link", name=JA["room.open_shown"].format(page=JA["chat.title"]))
        with hana.expect_popup() as beside:
            invitation.click()
        expect(beside.value.get_by_text(JA["chat.read_only"])).to_be_visible()
        expect(hana.get_by_role("heading", name=JA["room.title"], exact=True)).to_be_visible()
        popover(teacher, EN["room.ask"]).click()
        teacher.get_by_role("combobox", name=EN["room.ask_which"]).click()
        teacher.get_by_role("option", name=EN["guess.cut"], exact=False).click()
        button(teacher, EN["room.ask_it"]).click()
        popover(hana, JA["room.guess_asked"]).click()
        hana.get_by_text(JA["guess.cut_half"]).click()
        assert findings(hana) == []
        button(hana, JA["room.guess_send"]).click()
        expect(popover(hana, JA["room.my_guess"].format(guess=JA["guess.cut_half"]))).to_be_visible()
        popover(teacher, EN["room.reveal"]).click()
        expect(button(teacher, EN["room.reveal_it"])).to_be_visible()
        assert findings(teacher) == []
        button(teacher, EN["room.reveal_it"]).click()
        expect(popover(teacher, EN["room.revealed"])).to_be_visible()
        button(teacher, EN["room.show_end"]).click()
        expect(invitation).to_have_count(0)
