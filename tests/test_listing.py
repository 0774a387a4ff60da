"""Lists of what somebody made, wherever they are kept."""

import json
import sqlite3
import time
import unicodedata
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamlab.hub import Hub
from streamlab.hub.listing import Entry, Listing
from streamlab.hub.memory.listing import MemoryListing
from streamlab.hub.redis.listing import LISTED
from streamlab.hub.shared import DocumentType
from streamlab.hub.sqlite.hub import SqliteHub
from tests.shared import name

pytestmark = pytest.mark.anyio

ANSWER = '「東京」での会議は、ストリーミングで届く回答の話だった。It\'s 100% "quoted" AND (NEAR) * ﾃｽﾄ ＡＢＣ Straße\n'


@pytest.fixture
async def listing(any_hub: Hub) -> Listing:
    return any_hub.shared.listing


async def keys(listing: Listing, owner: str, words: str = "", kind: str = "chat") -> list[str]:
    return [entry.key for entry in await listing.entries(owner, kind, words)]


async def test_an_owner_sees_what_is_their_own_the_newest_first(listing: Listing) -> None:
    """And of each kind that only; a changed entry is there once, as it is now."""
    mine, other = name(), name()
    for owner, kind, key, at in (
        (mine, "chat", "a", 1.0), (mine, "chat", "b", 2.0), (mine, "run", "c", 3.0), (other, "chat", "d", 4.0),
    ):  # fmt: skip
        await listing.put(owner, kind, Entry(key, f"title {key}", at), "text")
    assert await listing.entries(mine, "chat") == [Entry("b", "title b", 2.0), Entry("a", "title a", 1.0)]
    await listing.put(mine, "chat", Entry("a", "other", 5.0), "new words")
    assert await listing.entries(mine, "chat", limit=1) == [Entry("a", "other", 5.0)]
    assert await keys(listing, mine, "title") == ["b"]
    assert await keys(listing, mine, kind="run") == ["c"]
    await listing.remove(mine, "chat", "a")
    await listing.remove(mine, "chat", "d")
    assert await keys(listing, mine) == ["b"]
    assert await keys(listing, mine, "words") == []
    assert await keys(listing, other) == ["d"]
    assert await keys(listing, name()) == []


@pytest.mark.parametrize(
    "words",
    [
        *(
            "東",
            "東京",
            "会議",
            "ストリーミング",
            "京」で",
            "ｽﾄﾘｰﾐﾝｸﾞ",
            "テスト",
            "abc",
            "ＡＢＣ",
            "STRASSE",
            "話 東京　回答",
        ),
        *("100%", '"quoted"', "it's", "AND", "NEAR", "(near)", "*", "title", "tokyo 東京"),
    ],
)
async def test_words_are_found_in_any_form_of_their_characters(listing: Listing, words: str) -> None:
    """However short they are, without spaces around them, and whatever they mean to the index."""
    owner = name()
    await listing.put(owner, "chat", Entry("found", "Title: Tokyo", 1.0), ANSWER)
    await listing.put(owner, "chat", Entry("other", "nothing of it", 2.0), "something else")
    assert await keys(listing, owner, words) == ["found"]


@pytest.mark.parametrize("words", ["大阪", "大", "京東", "streaming", "% _", "東京 大阪", "quoted tokyo2", "会議室"])
async def test_words_that_are_not_all_there_find_nothing(listing: Listing, words: str) -> None:
    owner = name()
    await listing.put(owner, "chat", Entry("found", "Title: Tokyo", 1.0), ANSWER)
    assert await keys(listing, owner, words) == []


@pytest.mark.parametrize("common", [0, 4, 5_000])
@pytest.mark.parametrize("word", ["京", "東京", "会", "議室", "室", "a", "-1", "b "])
async def test_short_words_are_found_by_the_index_and_without_it(
    listing: Listing, monkeypatch: pytest.MonkeyPatch, common: int, word: str
) -> None:
    """However common they are, and at a text's very end."""
    monkeypatch.setattr("streamlab.hub.listing_table.COMMON", common)
    owner, texts = name(), {"one": "東京 b a-1", "two": "東京の会議室", "three": "b 京都 x" * 9}
    for key, text in texts.items():
        await listing.put(owner, "chat", Entry(key, "", 1.0), text)
    found = {key for key, text in texts.items() if word.strip() in text}
    assert set(await keys(listing, owner, word)) == found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60), data=st.data())
async def test_any_part_of_a_text_finds_it(text: str, data: st.DataObject) -> None:
    """As long as a part begins and ends where the text's characters do; surrogates and NUL do no harm."""
    listing = MemoryListing()
    await listing.put("me", "chat", Entry("found", "title", 1.0), text)
    start = data.draw(st.integers(0, len(text)))
    part = text[start : data.draw(st.integers(start, len(text)))]
    if unicodedata.is_normalized("NFKC", part) and unicodedata.is_normalized("NFKC", text):
        assert [entry.key for entry in await listing.entries("me", "chat", part)] == ["found"]


async def test_what_is_no_text_is_listed_all_the_same(listing: Listing) -> None:
    owner = name()
    await listing.put(owner, "chat", Entry("odd", "title \ud800", 1.0), "a\0b \udfff 字")
    (entry,) = await listing.entries(owner, "chat", "字")
    json.dumps(entry.title).encode()
    assert await keys(listing, owner, "\ud800") == await keys(listing, owner, "?") == ["odd"]


async def test_the_oldest_leave_when_there_are_too_many(listing: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of that owner only."""
    monkeypatch.setattr("streamlab.hub.listing_table.MOST", LISTED)
    owner, other = name(), name()
    await listing.put(other, "chat", Entry("other", "old", 0.0), "text")
    for number in range(LISTED + 5):
        await listing.put(owner, "chat", Entry(f"{number}", "title", float(number)), "text")
    assert sorted(map(int, await keys(listing, owner, "text"))) == list(range(5, LISTED + 5))
    assert await keys(listing, other) == ["other"]


async def test_a_process_keeps_no_more_text_than_it_may() -> None:
    """The oldest entries leave, whosever they are."""
    listing = MemoryListing(capacity=50_000)
    for number in range(1_000):
        await listing.put(f"owner {number % 2}", "chat", Entry(f"{number}", "title", float(number)), "x" * 1_000)
    left = [int(key) for owner in ("owner 0", "owner 1") for key in await keys(listing, owner, "xxx")]
    assert sorted(left) == list(range(1_000 - len(left), 1_000))
    assert 49 <= len(left) <= 150


@pytest.mark.soak
async def test_ten_thousand_conversations_are_found_at_once() -> None:
    """Listed, and searched by a word of any length, for less than a twentieth of what it cost to write them."""
    listing, began = MemoryListing(capacity=10**9), time.process_time()
    for number in range(10_000):
        odd = "稀語" if number == 17 else ""
        text = f"{odd}{number} 会議 " * 200
        await listing.put("me", "chat", Entry(f"{number}", f"title {number}", float(number)), text)
    filled = time.process_time() - began
    for words, expected in (("", 30), ("稀語", 1), ("title 17", 30), ("会議", 30), ("会議 稀", 1), ("none of it", 0)):
        costs = []
        for _ in range(3):
            began = time.process_time()
            assert len(await listing.entries("me", "chat", words, 30)) == expected
            costs.append(time.process_time() - began)
        assert min(costs) < filled / 20


async def test_a_list_outlives_the_process_as_long_as_its_documents(tmp_path: Path) -> None:
    """In the embedded store, one made before there were lists, too; an entry leaves with its document."""
    words, me = DocumentType("chat", str.encode, bytes.decode, 60.0, 10), name()
    async with SqliteHub(tmp_path / "store") as hub:
        await hub.shared.documents(words).put("kept", "document")
        await hub.shared.listing.put(me, "chat", Entry("kept", "題", 1.0), "東京")
    async with SqliteHub(tmp_path / "store") as hub:
        assert await keys(hub.shared.listing, me, "東京") == ["kept"]
        await hub.shared.documents(words).remove("kept")
        assert await keys(hub.shared.listing, me) == []
    with closing(sqlite3.connect(tmp_path / "store")) as file:
        file.executescript("DROP TRIGGER document_left_list; DROP TABLE listed_text; DROP TABLE listed;")
    async with SqliteHub(tmp_path / "store") as hub:
        await hub.shared.listing.put(me, "chat", Entry("new", "題", 1.0), "東京")
        assert await keys(hub.shared.listing, me, "東京") == ["new"]
