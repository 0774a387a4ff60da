"""A program over the client that openapi-python-client makes of the gateway's description. Prints what it got as JSON.

Takes the gateway's address, the folder of the client, an access token, and the ids of a run with every type of event
and of one whose beginning is gone.
"""

import importlib
import json
import sys
import time
from typing import Any


def main(url: str, folder: str, token: str, whole: str, cut: str) -> dict[str, Any]:
    sys.path.insert(0, folder)
    package, models = (importlib.import_module(f"streaming_lab_client{part}") for part in ("", ".models"))
    api = {
        name: importlib.import_module(f"streaming_lab_client.api.{group}.{name}")
        for group, names in (
            ("runs", ("chat", "start", "look", "follow", "stop", "issue_token", "revoke_tokens")),
            ("server", ("where_to_go", "healthz", "readyz", "metrics")),
        )
        for name in names
    }
    client = package.AuthenticatedClient(base_url=url, token=token, raise_on_unexpected_status=True)
    stranger = package.Client(base_url=url, raise_on_unexpected_status=True)
    question = models.ChatRequest(message="What is streaming?", model="demo?first=0&rate=5000")
    endless = models.ChatRequest(message="q", model="demo?fault=silent")

    def page(run_id: str, **more: Any) -> Any:
        return api["follow"].sync(run_id, client=client, accept="application/json", **more)

    def asked(body: Any, **more: Any) -> Any:
        return api["start"].sync(client=client, body=body, **more)

    started, live = asked(question), asked(endless)
    until = time.monotonic() + 60
    while api["look"].sync(started.id, client=client).status == "live":
        assert time.monotonic() < until
        time.sleep(0.02)
    follow_token = api["issue_token"].sync(live.id, client=client)
    reader = package.AuthenticatedClient(base_url=url, token=follow_token.token)
    errors = {
        "unauthorized": api["start"].sync(client=stranger, body=question),
        "read_only": None,
        "other_run": api["look"].sync(started.id, client=reader),
        "unknown_run": api["look"].sync("nobody", client=client),
        "invalid_resume_token": page(started.id, after="x"),
        "invalid_request": asked(models.ChatRequest()),
        "unknown_model": asked(models.ChatRequest(message="q", model="unheard-of")),
        "unknown_conversation": asked(models.ChatRequest(message="q", conversation="nobody")),
        "conversation_busy": asked(models.ChatRequest(message="q", conversation=live.conversation)),
        "too_large": asked(models.ChatRequest(message="x" * 2**20)),
    }
    second = asked(endless)
    errors["too_many_live_runs"] = asked(question)
    del errors["read_only"]
    first, follows = page(whole, limit=2), page(whole, limit=1_000)
    missed = page(cut)
    stopped = api["stop"].sync_detailed(live.id, client=client)
    api["stop"].sync_detailed(second.id, client=client)
    revoked = api["revoke_tokens"].sync_detailed(live.id, client=client)
    errors["revoked_follow_token"] = api["look"].sync(live.id, client=reader)
    state = api["look"].sync(started.id, client=client)
    stream = api["chat"].sync(client=client, body=question)
    return {
        "types": [type(event).__name__ for event in follows.events],
        "fields": [event.to_dict() for event in follows.events],
        "pages": [len(first.events), first.next_, follows.next_, follows.gap],
        "missed": [type(missed.gap).__name__, type(missed.snapshot).__name__, missed.snapshot.text],
        "tools": [type(tool).__name__ for tool in missed.snapshot.tools],
        "state": [type(state).__name__, state.status, state.usage.output_tokens > 0],
        "links": started.links.to_dict(),
        "stopped": [stopped.status_code, revoked.status_code],
        "stream": stream,
        "nothing": api["chat"].sync(client=client, body=question, last_event_id=_last_id(stream)),
        "health": [api[name].sync(client=stranger).status for name in ("healthz", "readyz")],
        "way": api["where_to_go"].sync(client=client).to_dict(),
        "metrics": type(api["metrics"].sync(client=client)).__name__,
        "errors": {code: [type(got).__name__, got.error.code, got.error.message] for code, got in errors.items()},
    }


def _last_id(stream: str) -> str:
    return [line for line in stream.splitlines() if line.startswith("id: ")][-1].removeprefix("id: ")


if __name__ == "__main__":
    url, folder, token, whole, cut = sys.argv[1:]
    print(json.dumps(main(url, folder, token, whole, cut)))
