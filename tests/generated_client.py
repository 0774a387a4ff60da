"""A program over the client that openapi-python-client makes of the gateway's description. Prints what it got as JSON.

Takes the gateway's address, the folder of the client, an access token, and the ids of a run with every type of event
and of one whose beginning is gone.
"""

import importlib
import json
import sys
import time
from typing import Any

CALLS = {
    "runs": ("chat", "start", "look", "follow", "stop", "issue_token", "revoke_tokens"),
    "server": ("where_to_go", "healthz", "readyz", "metrics"),
}


class Generated:
    """The client, and what a program does with it."""

    def __init__(self, url: str, folder: str, token: str) -> None:
        sys.path.insert(0, folder)
        self.package, self.models = (importlib.import_module(f"streaming_lab_client{part}") for part in ("", ".models"))
        self.api = {
            name: importlib.import_module(f"streaming_lab_client.api.{group}.{name}")
            for group, names in CALLS.items()
            for name in names
        }
        self.url = url
        self.client = self.package.AuthenticatedClient(base_url=url, token=token, raise_on_unexpected_status=True)
        self.stranger = self.package.Client(base_url=url, raise_on_unexpected_status=True)
        self.question = self.models.ChatRequest(message="What is streaming?", model="demo?first=0&rate=5000")
        self.endless = self.models.ChatRequest(message="q", model="demo?fault=silent")

    def call(self, name: str, *args: Any, **more: Any) -> Any:
        return self.api[name].sync(*args, **{"client": self.client} | more)

    def detailed(self, name: str, *args: Any) -> Any:
        return self.api[name].sync_detailed(*args, client=self.client)

    def page(self, run_id: str, **more: Any) -> Any:
        return self.call("follow", run_id, accept="application/json", **more)

    def refused(self, ended: Any, live: Any, reader: Any) -> dict[str, Any]:
        """Ask for what is refused, each by its code."""
        request = self.models.ChatRequest
        return {
            "unauthorized": self.call("start", client=self.stranger, body=self.question),
            "other_run": self.call("look", ended.id, client=reader),
            "unknown_run": self.call("look", "nobody"),
            "invalid_resume_token": self.page(ended.id, after="x"),
            "invalid_request": self.call("start", body=request()),
            "unknown_model": self.call("start", body=request(message="q", model="unheard-of")),
            "unknown_conversation": self.call("start", body=request(message="q", conversation="nobody")),
            "conversation_busy": self.call("start", body=request(message="q", conversation=live.conversation)),
            "too_large": self.call("start", body=request(message="word " * 2**20)),
        }

    def ended(self) -> Any:
        """Start a run, and wait for its end."""
        started, until = self.call("start", body=self.question), time.monotonic() + 60
        while self.call("look", started.id).status == "live":
            assert time.monotonic() < until
            time.sleep(0.02)
        return started


def main(url: str, folder: str, token: str, whole: str, cut: str) -> dict[str, Any]:
    made = Generated(url, folder, token)
    started, live = made.ended(), made.call("start", body=made.endless)
    reader = made.package.AuthenticatedClient(base_url=url, token=made.call("issue_token", live.id).token)
    errors = made.refused(started, live, reader)
    second = made.call("start", body=made.endless)
    errors["too_many_live_runs"] = made.call("start", body=made.question)
    ends = [made.detailed(*each) for each in (("stop", live.id), ("stop", second.id), ("revoke_tokens", live.id))]
    errors["revoked_follow_token"] = made.call("look", live.id, client=reader)
    first, follows, missed = made.page(whole, limit=2), made.page(whole, limit=1_000), made.page(cut)
    state, stream = made.call("look", started.id), made.call("chat", body=made.question)
    return {
        "types": [type(event).__name__ for event in follows.events],
        "fields": [event.to_dict() for event in follows.events],
        "pages": [len(first.events), first.next_, follows.next_, follows.gap],
        "missed": [type(missed.gap).__name__, type(missed.snapshot).__name__, missed.snapshot.text],
        "tools": [type(tool).__name__ for tool in missed.snapshot.tools],
        "state": [type(state).__name__, state.status, state.usage.output_tokens > 0],
        "links": started.links.to_dict(),
        "stopped": [ends[0].status_code, ends[2].status_code],
        "stream": stream,
        "nothing": made.call("chat", body=made.question, last_event_id=_last_id(stream)),
        "health": [made.call(name, client=made.stranger).status for name in ("healthz", "readyz")],
        "way": made.call("where_to_go").to_dict(),
        "metrics": type(made.call("metrics")).__name__,
        "errors": {code: [type(got).__name__, got.error.code, got.error.message] for code, got in errors.items()},
    }


def _last_id(stream: str) -> str:
    return [line for line in stream.splitlines() if line.startswith("id: ")][-1].removeprefix("id: ")


if __name__ == "__main__":
    url, folder, token, whole, cut = sys.argv[1:]
    print(json.dumps(main(url, folder, token, whole, cut)))
