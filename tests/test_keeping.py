"""What is kept and what leaves: of a registry by its age, of a cache by its use; and whose time is over."""

from collections import OrderedDict
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streamlab.hub.lru import LRU
from streamlab.hub.registry import Registry

names = st.sampled_from("abcdef")


# A registry


@given(st.integers(0, 4), st.lists(st.tuples(names, st.booleans()), max_size=30))
def test_a_registry_keeps_the_newest_and_those_that_must_stay(most: int, kept: list[tuple[str, bool]]) -> None:
    """Never fewer than it may, and beyond these only what must stay; the oldest first."""
    registry: Registry[tuple[str, bool]] = Registry(most, lambda item: item[1])
    for item in kept:
        registry.keep(item[0], item)
    found = list(registry)
    newest = dict(kept)
    assert len(found) >= min(most, len(newest))
    if len(found) > most:
        assert all(stays for _, stays in found)
    for name, stays in newest.items():
        if stays:
            assert registry.find(name) == (name, stays)
    first_seen = list(dict.fromkeys(name for name, _ in found))
    assert first_seen == [name for name, _ in found]


def test_what_need_not_stay_any_more_leaves_when_anybody_looks() -> None:
    """Its time may end without anything new being kept."""
    live = {"a", "b"}
    registry: Registry[str] = Registry(0, lambda item: item in live)
    registry.keep("a", "a")
    registry.keep("b", "b")
    live.discard("a")
    assert registry.find("a") is None
    assert list(registry) == ["b"]


def test_a_known_item_changes_in_its_place() -> None:
    """It is as old as it was: a change makes nobody leave sooner."""
    registry: Registry[int] = Registry(2, lambda item: False)
    registry.keep("a", 1)
    registry.keep("b", 2)
    registry.keep("a", 3)
    assert list(registry) == [3, 2]
    registry.keep("c", 4)
    assert list(registry) == [2, 4]


def test_no_id_finds_nothing() -> None:
    """Also an address without one, and one that never was."""
    registry: Registry[int] = Registry(2, lambda item: False)
    registry.keep("a", 1)
    assert (registry.find(None), registry.find(""), registry.find("b")) == (None, None, None)


def test_a_registry_may_change_while_somebody_goes_through_it() -> None:
    """Who goes through it has what was there when it began."""
    registry: Registry[int] = Registry(3, lambda item: False)
    for number in range(3):
        registry.keep(str(number), number)
    seen = []
    for item in registry:
        seen.append(item)
        registry.keep(f"new {item}", 10 + item)
    assert seen == [0, 1, 2]


# A cache


@dataclass
class Kept:
    """The model of one item."""

    size: int
    seconds: float
    over: float
    stays: bool


@dataclass(frozen=True)
class Item:
    name: str
    size: int
    stays: bool = field(default=False)


class CacheLaws(RuleBasedStateMachine):
    """Whatever is put, got, removed and outlived: the cache against a plain list of what should be in it."""

    CAPACITY = 10

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.left: list[str] = []
        self.cache: LRU[Item] = LRU(
            self.CAPACITY,
            lambda item: item.size,
            stays=lambda item: item.stays,
            left=lambda item: self.left.append(item.name),
            clock=lambda: self.now,
        )
        self.model: OrderedDict[str, Kept] = OrderedDict()  # the longest unused first

    def there(self, name: str) -> bool:
        kept = self.model.get(name)
        return kept is not None and (kept.over > self.now or kept.stays)

    @rule(name=names, size=st.integers(0, 12), stays=st.booleans(), seconds=st.integers(1, 5))
    def put(self, name: str, size: int, stays: bool, seconds: int) -> None:
        before, self.left = dict(self.model), []
        self.cache.put(name, Item(name, size, stays), seconds)
        before.pop(name, None)
        gone = set(self.left)
        assert name not in gone, "what is put is there"
        assert gone <= before.keys()
        assert not any(before[each].stays for each in gone)
        for each in gone:
            del self.model[each]
        self.model.pop(name, None)
        left_over = sum(kept.size for kept in self.model.values())
        assert left_over + size <= self.CAPACITY or all(kept.stays for kept in self.model.values()), (
            "nothing stays that need not where there is no room"
        )
        self.model[name] = Kept(size, seconds, self.now + seconds, stays)

    @rule(name=names)
    def get(self, name: str) -> None:
        item = self.cache.get(name)
        assert (item is not None) == self.there(name)
        if item is not None:
            assert item.name == name
            self.model.move_to_end(name)
            self.model[name].over = self.now + self.model[name].seconds

    @rule(name=names)
    def remove(self, name: str) -> None:
        told = len(self.left)
        assert (self.cache.remove(name) is not None) == (name in self.model)
        assert len(self.left) == told, "who is removed has not left by itself"
        self.model.pop(name, None)

    @rule(seconds=st.integers(1, 3))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def knows_what_is_there(self) -> None:
        assert {name for name in "abcdef" if name in self.cache} == {name for name in "abcdef" if self.there(name)}


TestCacheLaws = CacheLaws.TestCase


def test_the_longest_unused_leaves_first() -> None:
    """To get an item is to use it."""
    left: list[str] = []
    cache: LRU[str] = LRU(3, lambda item: 1, left=left.append)
    for name in "abc":
        cache.put(name, name, 60)
    assert cache.get("a") == "a"
    cache.put("d", "d", 60)
    assert (left, [name for name in "abcd" if name in cache]) == (["b"], ["a", "c", "d"])


def test_what_is_larger_than_all_the_room_is_kept_alone() -> None:
    """It was asked to be kept; the others make room as far as they can."""
    cache: LRU[str] = LRU(3, len)
    cache.put("a", "a", 60)
    cache.put("long", "long text", 60)
    assert ("a" in cache, cache.get("long")) == (False, "long text")


def test_an_item_that_is_put_again_has_its_new_size() -> None:
    """Else the room would shrink with every change."""
    cache: LRU[str] = LRU(10, len)
    for _ in range(5):
        cache.put("a", "eight ch", 60)
    cache.put("b", "bb", 60)
    assert ("a" in cache, "b" in cache) == (True, True)
