"""The gateway over an engine whose runs write a prepared workload, so that no model is measured.

`POST /prepare` begins a run that waits, so that clients can come; `POST /go` lets it write, and answers the time of
the monotonic clock from which its events count theirs. `GET /cpu`: seconds of process time of this server.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from benchmarks.apps.workload import Workload
from streamlab.engine import Engine, open_engine
from streamlab.events.event import StreamEvent, Usage
from streamlab.gateway.http import create_app
from streamlab.gateway.serving import serving
from streamlab.runs.chain import Clock
from streamlab.runs.run import RunLimits
from streamlab.settings import Settings

LIMITS = RunLimits(total=3_600, first_token=3_600, silence=3_600, unwatched=None)


class WorkloadAttempt:
    """An attempt that waits for `go` and then yields its workload, one event a batch."""

    usage = Usage(0, 0)
    remark = None

    def __init__(self, workload: Workload) -> None:
        self.go = asyncio.Event()
        self._workload = workload

    async def events(self, clock: Clock) -> AsyncIterator[list[StreamEvent]]:
        await self.go.wait()
        for pause, event in self._workload.events(clock):
            yield [event]
            await asyncio.sleep(pause)


class Runner:
    """The routes that prepare runs and let them write."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self._waiting: dict[str, WorkloadAttempt] = {}

    async def prepare(self, request: Request) -> Response:
        body = await request.json()
        attempt = WorkloadAttempt(Workload(**body))
        assert self.engine
        run_id = self.engine.runs.start(lambda: attempt, limits=LIMITS)
        self._waiting[run_id] = attempt
        return JSONResponse({"path": f"/api/runs/{run_id}/events", "run": run_id})

    async def go(self, request: Request) -> Response:
        run_id = (await request.json())["run"]
        self._waiting.pop(run_id).go.set()
        assert self.engine
        return JSONResponse({"began": self.engine.hub.log(run_id).began})


async def cpu(request: Request) -> Response:
    return JSONResponse({"seconds": time.process_time()})


async def file(request: Request) -> Response:
    """Return the file that `BENCH_FILE` names."""
    return FileResponse(os.environ["BENCH_FILE"], media_type="text/event-stream")


def application(*routes: Route) -> Starlette:
    """Build the gateway under /api as beside the pages, with the routes above and `routes`."""
    settings = Settings()
    api = create_app(settings)
    runner = Runner()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_engine(settings) as engine, serving(api, engine):
            app.state.engine = runner.engine = engine
            yield

    own = [
        Route("/prepare", runner.prepare, methods=["POST"]),
        Route("/go", runner.go, methods=["POST"]),
        Route("/cpu", cpu),
        Route("/file", file),
    ]
    return Starlette(routes=[*own, *routes, Mount("/api", api)], lifespan=lifespan)
