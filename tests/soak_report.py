"""What a soak came to: a table for people, and a list of what is wrong."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.school import Soak
from tests.vitals import MEASURES, Sample, as_json, growth, lives

# Faults of a stream. Gaps as such are counted, and right where the protocol has them.
NEVER = (
    "lost", "doubled", "different", "undocumented gaps", "given up", "unfinished", "no log", "holed log", "not one end",
    "another answer", "exceptions",
)  # fmt: skip

MEGABYTE = 1024 * 1024
# Growth in a minute that a leak would exceed. The class makes about 1,000 connections and 40 runs a minute, half of
# them at each gateway. What a connection leaves behind, a descriptor or a task, makes 500 a minute, and what a run
# leaves behind 20; a log that stays, of 50 kB with its events as objects, makes 1 MB, a connection of 10 kB makes 5 MB.
BOUNDS = {"memory": 0.8 * MEGABYTE, "descriptors": 8.0, "threads": 2.0, "tasks": 8.0}
# Redis has the conversations and the idempotency keys of a day: each question leaves some 5 kB, 200 kB a minute.
REDIS_BOUNDS = BOUNDS | {"memory": 2.0 * MEGABYTE}
# What was at rest before and is at rest again: pools keep connections, threads wait for work.
REMAINS = {"descriptors": 100, "threads": 40, "tasks": 20}
# Seconds of age from which a measure is steady: a log stays five minutes after its end, and a run takes up to two.
WARM = {"memory": 450.0, "descriptors": 60.0, "threads": 60.0, "tasks": 60.0}
JUDGED = 4.0  # minutes that a line has to be long: the noise of a shorter one is larger than the bounds
UNJUDGED = ("the class",)  # this process has the notes of everything that was followed
KNOWN = re.compile(r"(?!)")  # tracebacks that may stand in a log: none


def problems(soak: Soak) -> Iterator[str]:
    """Say what is wrong, a line each."""
    faults, tally = soak.room.tally.faults, soak.room.tally
    for kind in NEVER:
        if faults.counts[kind]:
            yield f"{kind}: {faults.counts[kind]}"
    yield from soak.accidents.wrong
    for end in tally.ends:
        if why := _unexplained(soak, end.status, end.code, end.began, end.ended):
            yield f"run {end.run_id} ended {end.status} {end.code}: {why}"
    for name in ("connections broken", "questions unseen", "answers unseen"):
        if tally.pages[name]:
            yield f"pages: {name}: {tally.pages[name]}"
    for name, process in soak.school.processes.items():
        for traceback in tracebacks(process.logged):
            yield f"{name} logged: {traceback}"
    yield from _grown(soak)
    yield from _left(soak)


def _unexplained(soak: Soak, status: str, code: str, began: float, ended: float) -> str | None:
    """Tell why a run may not have ended so; None if it may."""

    def happened(moments: Sequence[float]) -> bool:
        return any(began - 30 <= moment <= ended for moment in moments)

    match status, code:
        case ("completed", "") | ("stopped", ""):
            return None
        case "lost", "producer_lost":
            return None if happened(soak.accidents.kills) else "no gateway was killed while it lived"
        case "stopped", "shutdown":
            return None if happened(soak.accidents.leavings) else "no gateway left while it lived"
    return "nothing in this class ends a run so"


def tracebacks(log: str) -> list[str]:
    """Return the beginnings of the tracebacks in a log that are not known."""
    lines = log.splitlines()
    begun = [at for at, line in enumerate(lines) if "Traceback (most recent call last)" in line]
    found = ["\n".join(lines[max(0, at - 2) : at + 120]) for at in begun]
    return [each for each in found if not KNOWN.search(each)]


def _grown(soak: Soak) -> Iterator[str]:
    for (name, pid), samples in lives(soak.vitals.samples).items():
        bounds = REDIS_BOUNDS if name == "redis" else BOUNDS
        for measure in MEASURES if name not in UNJUDGED else ():
            grown = growth(samples, measure, WARM[measure])
            if grown and grown.minutes >= JUDGED and grown.per_minute > bounds[measure]:
                yield f"{name} ({pid}): {measure} grew by {grown.per_minute:,.1f} a minute"


def _left(soak: Soak) -> Iterator[str]:
    for name, after in soak.after.items():
        before = soak.before[name]
        if after.followers:
            yield f"{name}: {after.followers} followers are left"
        for measure, bound in REMAINS.items() if name not in UNJUDGED else ():
            was, is_now = getattr(before, measure), getattr(after, measure)
            if was is not None and is_now is not None and is_now - was > bound:
                kinds = "; ".join(f"{kind} {count}" for kind, count in Counter(after.kinds).most_common(5))
                yield f"{name}: {measure} at rest {was} before, {is_now} after{kinds and f' ({kinds})'}"


def table(soak: Soak) -> str:
    """Write what was counted, and what each process held."""
    tally, faults = soak.room.tally, soak.room.tally.faults
    lines = [f"{soak.seconds / 60:g} minutes"]
    lines += _counted("events", {name: faults.counts[name] for name in (*NEVER, "gaps")})
    lines += _counted("clients", dict(tally.counts) | {"connections": soak.room.readers.connections})
    lines += _counted("runs", dict(tally.runs))
    lines += _counted("questions refused", dict(tally.refused))
    lines += _counted("connections refused", dict(soak.room.readers.refusals))
    away = {f"{protocol} (ms)": round(1000 * seconds) for protocol, seconds in soak.room.readers.away.items()}
    lines += _counted("longest refused", away)
    lines += _counted("pages", dict(tally.pages))
    lines += _counted("accidents", dict(soak.accidents.counts))
    lines += ["", f"{'process':<12} {'pid':>8} {'minutes':>8}  measure      at rest   median     last  growth a minute"]
    for (name, pid), samples in lives(soak.vitals.samples).items():
        for measure in MEASURES:
            lines += _row(soak, name, pid, samples, measure)
    lines += ["", *faults.examples]
    return "\n".join(lines)


def _counted(title: str, counts: Mapping[str, int]) -> list[str]:
    return [f"{title}: " + (", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "none")]


def _row(soak: Soak, name: str, pid: int, samples: Sequence[Sample], measure: str) -> list[str]:
    unit = MEGABYTE if measure == "memory" else 1
    values = [value / unit for each in samples if (value := getattr(each, measure)) is not None]
    if not values:
        return []
    minutes = (samples[-1].at - samples[0].at) / 60
    after = soak.after.get(name)
    rest = getattr(after, measure) if after and after.pid == pid else None
    at_rest = "" if rest is None else f"{rest / unit:,.0f}"
    grown = growth(samples, measure, WARM[measure])
    line = "too short" if grown is None else f"{grown.per_minute / unit:+.2f} over {grown.minutes:.1f} min"
    median = sorted(values)[len(values) // 2]
    label = f"{measure} MiB" if measure == "memory" else measure
    return [
        f"{name:<12} {pid:>8} {minutes:>8.1f}  {label:<11} {at_rest:>8} {median:>8,.0f} {values[-1]:>8,.0f}  {line}"
    ]


def record(soak: Soak, wrong: Sequence[str]) -> dict[str, Any]:
    """Return all of it, as JSON."""
    tally = soak.room.tally
    return {
        "seconds": soak.seconds,
        "wrong": list(wrong),
        "faults": dict(tally.faults.counts),
        "examples": tally.faults.examples,
        "counts": dict(tally.counts),
        "runs": dict(tally.runs),
        "refused": dict(tally.refused),
        "pages": dict(tally.pages),
        "away": soak.room.readers.away,
        "connections refused": dict(soak.room.readers.refusals),
        "samples": as_json(soak.vitals.samples),
    }
