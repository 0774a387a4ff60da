"""Measurements of latency: each runs in a process of its own, and outlives the page that started it.

The process is the command `python -m streamlab.latency`: what this process does for others, under one interpreter
lock, would be measured as well.
"""

import logging
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from streamlab.hub.registry import Registry
from streamlab.latency.measurement import Machine, Measurement
from streamlab.latency.observation import Observation, decode_observation
from streamlab.latency.plan import GATEWAY_TOKEN, GatewayAddress, Plan, order
from streamlab.latency.progress import CallProgress, decode_progress
from streamlab.local_model import LOCAL

logger = logging.getLogger(__name__)

AT_ONCE = 2  # more would measure each other
KEPT = 20
CLOSE_SECONDS = 3

MeasurementState = Literal["measuring", "completed", "stopped", "failed"]


class TooManyMeasurements(RuntimeError):
    """As many as may run at once are running."""


@dataclass(frozen=True, slots=True)
class CurrentCall:
    """The call that is being made: its place in the plan's order, and when it `began` by a monotonic clock here.

    `first` is the seconds until its first text, None before that. Text is what the client gave, so what turns out to
    be a thought within it counts here, and not in the observation.
    """

    number: int
    began: float
    first: float | None = None


@dataclass(frozen=True, slots=True)
class Measuring:
    """A measurement as it stood at one moment; `ended` when by a monotonic clock, once its process is gone."""

    id: str
    plan: Plan
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    observations: tuple[Observation, ...] = ()
    state: MeasurementState = "measuring"
    ended: float | None = None
    current: CurrentCall | None = None

    @property
    def expected(self) -> int:
        """Calls, the warm-ups too."""
        return len(order(self.plan))

    @property
    def measurement(self) -> Measurement:
        complete = len(self.observations) == self.expected
        return Measurement(self.observations, self.plan, self.made_at, Machine.this(), complete)


def new_measurement_id() -> str:
    """Make a random id: whoever does not know it cannot guess it."""
    return secrets.token_urlsafe(16)


class Measurements:
    """The measurements of this process, the newest `KEPT`. For any thread."""

    def __init__(self, demo_url: str, local: Callable[[], Mapping[str, str]] = dict) -> None:
        self._demo_url = demo_url
        self._local = local  # makes the variables by which a process asks the local model that is here
        self._lock = threading.Lock()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._known: Registry[Measuring] = Registry(KEPT, lambda made: made.id in self._children)
        self.find = self._known.find

    def start(self, plan: Plan, gateway: GatewayAddress | None = None, id: str = "") -> str:
        """Begin, and answer the id. `gateway` is asked where the plan says so, and must be there then.

        `id` is one of `new_measurement_id` that the caller needed before. Raises TooManyMeasurements.
        """
        if plan.relayed and gateway is None:
            raise ValueError("no gateway to ask")
        environment = self._local() if LOCAL in plan.models else {}
        with self._lock:
            if len(self._children) >= AT_ONCE:
                raise TooManyMeasurements(f"{AT_ONCE} measurements are running")
            made = Measuring(id or new_measurement_id(), plan)
            child = self._children[made.id] = self._launch(gateway if plan.relayed else None, environment)
            self._known.keep(made.id, made)
        threading.Thread(target=self._read, args=(made.id, child, plan), name="measurement", daemon=True).start()
        return made.id

    def stop(self, measurement_id: str) -> None:
        """Stop a measurement; what was measured stays. One that has ended is left as it is."""
        with self._lock:
            child = self._children.get(measurement_id)
            if child:
                self._change(measurement_id, lambda now: replace(now, state="stopped"))
                child.terminate()
                insist = threading.Timer(CLOSE_SECONDS, child.kill)
                insist.daemon = True
                insist.start()

    def close(self) -> None:
        """End all of them."""
        children = list(self._children.items())
        for measurement_id, _ in children:
            self.stop(measurement_id)
        for _, child in children:
            try:
                child.wait(CLOSE_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()

    def _launch(self, gateway: GatewayAddress | None, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        asked = ["--gateway", gateway.url] if gateway else []
        token = {GATEWAY_TOKEN: gateway.token.get_secret_value()} if gateway and gateway.token else {}
        arguments = [
            "--plan",
            "-",
            "--lifeline",
            "--lines",
            "--progress",
            "--quiet",
            "--demo-url",
            self._demo_url,
            *asked,
        ]
        return subprocess.Popen(
            [sys.executable, "-m", "streamlab.latency", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # The rest of the environment holds the key, which this process needs as ours does.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUTF8": "1", **environment} | token,
            start_new_session=True,  # Ctrl-C in a terminal is for this process, which ends the child in its own time
        )

    def _read(self, measurement_id: str, child: "subprocess.Popen[bytes]", plan: Plan) -> None:
        assert child.stdin
        assert child.stdout
        try:
            child.stdin.write(plan.model_dump_json().encode() + b"\n")
            child.stdin.flush()
        except OSError:
            logger.warning("measurement %s: its process did not take the plan", measurement_id)
        try:
            with child.stdout as lines:
                for line in lines:
                    if progress := decode_progress(line):
                        self._follow(measurement_id, progress)
                    else:
                        self._add(measurement_id, decode_observation(line))
        except ValueError:  # a child that was killed may have written half a line
            logger.warning("measurement %s: its process wrote what is no observation", measurement_id)
            child.kill()
        finally:
            code = child.wait()
            with suppress(OSError):  # of a plan that it did not take
                child.stdin.close()  # not before: it measures for as long as this process holds the other end
            self._finish(measurement_id, code)

    def _add(self, measurement_id: str, made: Observation) -> None:
        with self._lock:
            self._change(measurement_id, lambda now: replace(now, observations=(*now.observations, made), current=None))

    def _follow(self, measurement_id: str, told: CallProgress) -> None:
        def follow(now: Measuring) -> Measuring:
            if told.first is None or now.current is None:  # it begins, or does so again
                return replace(now, current=CurrentCall(told.call, time.monotonic()))
            return replace(now, current=replace(now.current, first=told.first))

        with self._lock:
            self._change(measurement_id, follow)

    def _finish(self, measurement_id: str, code: int) -> None:
        def end(now: Measuring) -> Measuring:
            state: MeasurementState = "completed" if len(now.observations) == now.expected else "failed"
            state = state if now.state == "measuring" else now.state
            return replace(now, state=state, ended=time.monotonic(), current=None)

        with self._lock:
            made = self._change(measurement_id, end)
            del self._children[measurement_id]
        logger.info("measurement %s %s calls=%d exit=%d", measurement_id, made.state, len(made.observations), code)

    def _change(self, measurement_id: str, change: Callable[[Measuring], Measuring]) -> Measuring:
        """Change a measurement whose process is still known, so that it is."""
        known = self._known.find(measurement_id)
        assert known
        made = change(known)
        self._known.keep(measurement_id, made)
        return made
