"""Two browsers at one conversation: what is done in one of them shows in the other, which nobody touches."""

import re

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests import chat
from tests.browser import needs_chromium
from tests.chat import EN, JA, Visit, ask, choose, finished

browser, visit = chat.browser, chat.visit  # fixtures are found by their names

pytestmark = needs_chromium


def two_at_one(visit: Visit) -> tuple[Page, Page]:
    """Ask in one browser, and open the conversation in another one, of the other language, when it is answered."""
    one = visit()
    choose(one, "quick")
    ask(one, "The first question")
    finished(one, EN)
    other = visit(one.url, "ja-JP")
    finished(other, JA)
    return one, other


def test_what_one_asks_and_answers_anew_shows_in_the_other(visit: Visit) -> None:
    """While nothing is being answered there, in both directions and languages."""
    one, other = two_at_one(visit)
    ask(one, "The second question")
    for page, words in ((other, JA), (one, EN)):
        expect(page.get_by_text("The second question", exact=True)).to_be_visible()
        finished(page, words)
    ask(other, "三番目の質問です")
    expect(one.get_by_text("三番目の質問です", exact=True)).to_be_visible()
    for page, words in ((other, JA), (one, EN)):
        finished(page, words)
    choose(one, "long")
    one.get_by_role("button", name=EN["chat.regenerate"]).click()
    expect(other.get_by_role("button", name=JA["chat.stop"])).to_be_visible()
    other.get_by_role("button", name=JA["chat.stop"]).click()
    for page, words in ((one, EN), (other, JA)):
        expect(page.get_by_text(words["chat.stopped"])).to_be_visible()
        expect(page.get_by_role("button", name=words["chat.regenerate"])).to_be_visible()


@pytest.mark.soak
def test_word_of_a_change_that_is_dropped_is_sent_again(visit: Visit) -> None:
    """Nothing else would have the page show it."""
    one, other = two_at_one(visit)
    dropped: list[bytes] = []

    def drop_the_first(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def passed(message: str | bytes) -> None:
            if isinstance(message, bytes) and b'"changed"' in message and not dropped:
                dropped.append(message)
            else:
                server.send(message)

        socket.on_message(passed)

    other.context.route_web_socket(re.compile("_stcore/stream"), drop_the_first)
    other.reload()
    finished(other, JA)
    one.get_by_test_id("stFeedback").get_by_role("radio").first.click()
    expect(other.get_by_role("button", name=JA["chat.note"])).to_be_visible()
    assert dropped


@pytest.mark.soak
def test_a_click_on_another_page_goes_before_word_of_a_change(visit: Visit) -> None:
    """Which comes while the server has not answered it: it would lead back to the page that is being left."""
    one, other = two_at_one(visit)
    held: list[tuple[WebSocketRoute, str | bytes]] | None = None

    def hold(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda message: socket.send(message) if held is None else held.append((socket, message)))

    other.context.route_web_socket(re.compile("_stcore/stream"), hold)
    other.reload()
    finished(other, JA)
    held = []
    other.get_by_role("link", name=JA["timeline.title"]).first.click()
    one.get_by_test_id("stFeedback").get_by_role("radio").first.click()
    expect(one.get_by_role("button", name=EN["chat.note"])).to_be_visible()
    other.wait_for_timeout(1_000)
    late, held = held, None
    for socket, message in late:
        socket.send(message)
    expect(other.get_by_role("heading", name=JA["timeline.title"], exact=True)).to_be_visible()
    expect(other.get_by_test_id("stStatusWidget")).to_have_count(0)
    expect(other.get_by_role("heading", name=JA["timeline.title"], exact=True)).to_be_visible()


@pytest.mark.soak
def test_a_question_that_is_being_typed_stays(visit: Visit) -> None:
    """The other browser's question does not take what has not been sent yet."""
    one, other = two_at_one(visit)
    box = other.get_by_test_id("stChatInputTextArea")
    box.fill("まだ送っていない")
    ask(one, "The second question")
    expect(other.get_by_text("The second question", exact=True)).to_be_visible()
    finished(other, JA)
    expect(box).to_have_value("まだ送っていない")


@pytest.mark.soak
def test_on_a_phone_too(visit: Visit) -> None:
    """Where the sidebar is closed."""
    one, other = two_at_one(visit)
    other.set_viewport_size({"width": 390, "height": 800})
    other.reload()
    finished(other, JA)
    ask(one, "The second question")
    expect(other.get_by_text("The second question", exact=True)).to_be_visible()
    finished(other, JA)


@pytest.mark.soak
def test_the_controls_are_there_before_the_text(visit: Visit) -> None:
    """Whoever opens the address of a live answer has Stop at the latest with the first word of it."""
    one = visit()
    choose(one, "long")
    ask(one, "The first question")
    expect(one.get_by_role("button", name=EN["chat.stop"])).to_be_visible()
    other = one.context.new_page()
    other.add_init_script(
        """new MutationObserver(() => {
            window.first ??= document.querySelector('.st-key-chat-stop') ? 'stop'
                : /word/.test(document.querySelector('main, [data-testid=stMain]')?.innerText) ? 'text' : undefined;
        }).observe(document, {subtree: true, childList: true})"""
    )
    other.goto(one.url)
    expect(other.get_by_role("button", name=EN["chat.stop"])).to_be_visible()
    assert other.evaluate("window.first") == "stop"
    one.get_by_role("button", name=EN["chat.stop"]).click()
    expect(other.get_by_text(EN["chat.stopped"])).to_be_visible()
