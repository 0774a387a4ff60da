"""What a front end calls its conversation and its run, and which run of ours that is."""

from dataclasses import dataclass

from streamlab.hub.shared import DocumentType, json_form

SECONDS = 3600.0  # after the last use: longer than any run lasts, and than its log is kept after that
BYTES = 64 * 1024 * 1024  # that one process keeps of what was said


@dataclass(frozen=True, slots=True)
class Conversation:
    """The last run of a thread. `said` are the messages before it, a line of JSON, and `calls` the ids of the calls in
    them. `handed`: the client has functions of its own. `version` is the protocol's that it speaks, "" before 1.0.
    """

    thread_id: str
    run_id: str
    said: str = "[]"
    calls: tuple[str, ...] = ()
    handed: bool = False
    version: str = ""
    run: str = ""


CONVERSATION = DocumentType(
    "ag-ui", *json_form(Conversation), SECONDS, BYTES, size=lambda conversation: 1_000 + len(conversation.said)
)
