"""Resume tokens: each names its position, and what names none is a gap or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.hub import Gap, Log, Position, Snapshot
from streamlab.hub import parse_token as parse
from streamlab.hub.log import Bounds
from tests import logs
from tests.conftest import shown
from tests.logs import Engine, delta, done, drain, seqs

engine = logs.engine  # fixtures are found by their names


@given(st.text("0123456789abcdef", min_size=16, max_size=16), st.integers(0, 10**15 - 1))
def test_a_token_names_its_position(epoch: str, seq: int) -> None:
    """The way to the client and back changes nothing."""
    assert parse(str(Position(epoch, seq))) == Position(epoch, seq)


@given(
    st.text()
    | st.from_regex(r"[0-9a-fA-F٣]{14,17}-?[-+]?[0-9_٣]{0,16}\s?", fullmatch=True)
    | st.builds("{}-{}".format, st.just("0123456789abcdef"), st.text(max_size=4))
)
def test_only_what_a_log_wrote_is_a_token(token: str) -> None:
    """A client may send anything: it is either a position as `str` writes it, but for leading zeros, or refused."""
    try:
        position = parse(token)
    except ValueError:
        return
    epoch, seq = token.split("-")
    assert (position.epoch, position.seq) == (epoch, int(seq))
    assert token.isascii()
    assert len(epoch) == 16
    assert seq.isdecimal()


@pytest.mark.parametrize(
    "token",
    [
        *["", "-", "7", "0123456789abcdef", "0123456789abcdef-", "0123456789abcdef--1", "0123456789abcdef-1\n"],
        *["0123456789ABCDEF-1", "0123456789abcdef-٣", "0123456789abcdef-1e3", " 0123456789abcdef-1", "x" * 10_000],
        *["0123456789abcdef-" + "9" * 16, "0123456789abcde-1", "0123456789abcdef0-1", "0123456789abcdef-1-2"],
    ],
)
def test_a_malformed_token_is_refused(token: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="resume token"):
        parse(token)


@pytest.mark.anyio
@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("evicted", [False, True])
@pytest.mark.parametrize("where", ["foreign", "foreign beyond", "ahead"])
async def test_a_position_that_is_not_of_this_log_is_a_gap(
    engine: Engine, where: str, evicted: bool, ended: bool
) -> None:
    """After a restart a reader hears that what follows is no continuation, and gets all of it."""
    async with engine.written(Bounds(events=3) if evicted else None) as written:
        for letter in "abcdef":
            written.append(delta(letter))
        if ended:
            written.append(done())
        log = await written.read()
    epoch = log.epoch if where == "ahead" else "0" * 16
    position = Position(epoch, 2 if where == "foreign" else 99)
    follower = log.follow(position)
    assert not follower.ended
    assert follower.position == position, "one who leaves before reading comes back to the same gap"
    items = await drain(follower)
    gap, snapshot, *rest = items
    assert gap == Gap(position.seq, log.first - 1)
    assert snapshot == Snapshot(log.first - 1, 1, "abcdef"[: log.first - 1], ())
    assert seqs(rest) == list(range(log.first, log.seq + 1))
    assert shown(items) == "abcdef"
    assert follower.position == Position(log.epoch, log.seq)


@pytest.mark.anyio
async def test_a_foreign_position_is_a_gap_also_in_a_log_that_is_empty() -> None:
    """The reader must not keep showing what a former run wrote."""
    log = Log("run")
    assert await drain(log.follow(Position("0" * 16, 0))) == [Gap(0, 0), Snapshot(0, 1, "", ())]
