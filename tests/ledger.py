"""What each follower of a run has, held against the run's log as any reader gets it afterwards."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

CONTROL = frozenset({"open", "gap", "snapshot", "drain", "close", "refused"})
ENVELOPE = frozenset({"type", "seq", "at", "step", "seq_from"})
PIECES = frozenset({"text_delta", "thinking"})
EXAMPLES = 5  # of each kind of fault, for whoever looks for its cause


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as it was read, whatever the protocol: the seqs that it stands for, and what it says."""

    first: int
    seq: int
    type: str
    step: int
    said: Mapping[str, Any]

    @property
    def is_piece(self) -> bool:
        """Whether the server may have merged it with its neighbours."""
        return self.type in PIECES and "state" not in self.said


@dataclass(frozen=True, slots=True)
class Gap:
    after: int
    seq: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    seq: int
    text: str


Note: TypeAlias = Entry | Gap | Snapshot


def entry_of(name: str, data: Mapping[str, Any]) -> Entry:
    """Read an event of the log from its JSON. What is null there is the same as what is absent."""
    said = {field: _without_nulls(value) for field, value in data.items() if value is not None}
    own = {field: value for field, value in said.items() if field not in ENVELOPE}
    return Entry(data.get("seq_from") or data["seq"], data["seq"], name, data["step"], own)


def _without_nulls(value: Any) -> Any:
    return {name: each for name, each in value.items() if each is not None} if isinstance(value, dict) else value


class Notes:
    """What one follower of one run has, in the order in which it came, over as many connections as it took.

    It may begin with a token that it got elsewhere. One that is `foreign`, of another run, is answered with a gap;
    any other gap is told to nobody whose run fits into its log.
    """

    def __init__(self, who: str = "", token: str = "", *, foreign: bool = False) -> None:
        self.who = who
        self.token = token
        self.foreign = foreign
        self.begun_after = int(token.rpartition("-")[2]) if token and not foreign else 0
        self.notes: list[Note] = []
        self.done = False
        self.stays = True  # until it leaves for good

    @property
    def is_amid(self) -> bool:
        """Whether it has a token of this run after which something follows."""
        return bool(self.notes) and isinstance(self.notes[-1], Entry) and not self.done

    def take(self, name: str, token: str, data: Any) -> None:
        """Note what came, with the resume token that came with it."""
        match name:
            case "gap":
                self.notes.append(Gap(data["after"], data["seq"]))
            case "snapshot":
                self.notes.append(Snapshot(data["seq"], data["text"]))
            case _ if name not in CONTROL:
                self.notes.append(entry_of(name, data))
                self.token = token
                self.done = self.done or name == "done"


@dataclass
class Faults:
    """How often each kind of fault was found, with examples."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, kind: str, count: int, example: str) -> None:
        if count:
            self.counts[kind] += count
            if sum(each.startswith(kind) for each in self.examples) < EXAMPLES:
                self.examples.append(f"{kind}: {example}")

    def include(self, other: "Faults") -> None:
        for kind, count in other.counts.items():
            self.counts[kind] += count
        for example in other.examples:
            kind = example.partition(":")[0]
            if sum(each.startswith(kind) for each in self.examples) < EXAMPLES:
                self.examples.append(example)


def audit_log(log: Sequence[Entry]) -> Faults:
    """Check the log itself: numbered without a hole, with one end, and with the text of its final answer."""
    faults = Faults()
    numbers = [(entry.first, entry.seq) for entry in log]
    if numbers != [(number, number) for number in range(1, len(log) + 1)]:
        faults.add("holed log", 1, f"{numbers[:3]} … {numbers[-3:]}")
    ends = [entry.seq for entry in log if entry.type == "done"]
    if ends != [len(log)]:
        faults.add("not one end", 1, f"done at {ends} of {len(log)}")
    for place, entry in enumerate(log):
        if entry.type == "final_answer" and entry.said["content"] != text_of(log[:place]):
            faults.add("another answer", 1, f"seq {entry.seq}")
    return faults


def text_of(log: Iterable[Entry]) -> str:
    """Return the text that counts: of the last step, since its last retry."""
    step, text = 1, list[str]()
    for entry in log:
        if entry.type == "tool_result":  # of the step of its call, which may be over
            continue
        if entry.step != step or entry.type == "retry":
            step, text = entry.step, []
        if entry.type == "text_delta":
            text.append(entry.said["content"])
    return "".join(text)


class Audit:
    """Holds one follower's notes against the log, whose entries are numbered 1, 2, 3 …, none merged."""

    def __init__(self, log: Sequence[Entry]) -> None:
        self._log = log

    def of(self, notes: Notes) -> Faults:
        faults, reached = Faults(), notes.begun_after
        explained = notes.foreign  # until it has a token of this run
        told_gap = False
        for note in notes.notes:
            where = f"{notes.who} at {reached}: {str(note)[:200]}"
            match note:
                case Gap():
                    faults.add("gaps", 1, where)
                    faults.add("undocumented gaps", not explained, where)
                    told_gap = True
                case Snapshot():
                    faults.add("undocumented gaps", not told_gap, where)
                    faults.add("different", note.text != text_of(self._log[: note.seq]), where)
                    reached, told_gap = note.seq, False
                case Entry():
                    faults.add("lost", max(0, note.first - 1 - reached), where)
                    faults.add("doubled", max(0, min(note.seq, reached) - note.first + 1), where)
                    faults.add("different", not self._has(note), where)
                    reached, explained = max(reached, note.seq), False
        if notes.stays:
            missing = max(0, len(self._log) - reached)
            faults.add("lost", missing, f"{notes.who}: only up to {reached} of {len(self._log)}")
        return faults

    def _has(self, entry: Entry) -> bool:
        """Tell whether the log says the same at this place; an entry that was merged says what its parts say."""
        parts = self._log[entry.first - 1 : entry.seq]
        if len(parts) != entry.seq - entry.first + 1:
            return False
        if len(parts) == 1:
            return (entry.type, entry.step, entry.said) == (parts[0].type, parts[0].step, parts[0].said)
        if not all(part.is_piece and (part.type, part.step) == (entry.type, entry.step) for part in parts):
            return False
        return bool(entry.said == {"content": "".join(part.said["content"] for part in parts)})
