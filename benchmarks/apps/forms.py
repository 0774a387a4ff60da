"""The gateway's application, in which whatever is asked by any protocol is a prepared workload instead of a model's
answer: `POST /workload` says which, and `POST /let` lets the runs that wait write it.
"""

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.apps import gateway
from benchmarks.apps.gateway import LIMITS, WorkloadAttempt
from benchmarks.apps.workload import Workload
from streamlab.runs.run import Runs


class Prepared:
    """The workload of the runs that are asked for next, and those that wait."""

    def __init__(self) -> None:
        self._workload = Workload(1)
        self._waiting: list[WorkloadAttempt] = []

    async def workload(self, request: Request) -> Response:
        self._workload = Workload(**await request.json())
        return JSONResponse({})

    async def let(self, request: Request) -> Response:
        for attempt in self._waiting:
            attempt.go.set()
        self._waiting.clear()
        return JSONResponse({})

    def take_over(self, runs: Runs) -> None:
        """Have every run that begins be a prepared one."""
        start: Callable[..., str] = runs.start

        def prepared(begin: Any, ended: Any = None, limits: Any = None, run_id: str | None = None) -> str:
            attempt = WorkloadAttempt(self._workload)
            self._waiting.append(attempt)
            return start(lambda: attempt, ended, LIMITS, run_id)

        runs.start = prepared  # type: ignore[method-assign] # of this server alone


def application() -> Starlette:
    prepared = Prepared()

    async def workload(request: Request) -> Response:
        runs = request.app.state.engine.runs
        if "start" not in vars(runs):
            prepared.take_over(runs)
        return await prepared.workload(request)

    routes = [Route("/workload", workload, methods=["POST"]), Route("/let", prepared.let, methods=["POST"])]
    return gateway.application(*routes)
