"""Ask a Streaming Lab server, and follow its answers while they arrive, whatever happens to the connection.

with Client("http://localhost:8501/api") as lab:
    for piece in lab.text("What is streaming?"):
        print(piece, end="", flush=True)
"""

from streamlab_client._async.client import AsyncClient
from streamlab_client._async.stream import AsyncStream, AsyncTextStream
from streamlab_client._sync.client import Client
from streamlab_client._sync.stream import Stream, TextStream
from streamlab_client.errors import (
    AuthError,
    ConnectionLost,
    InvalidRequest,
    NotFound,
    ProtocolError,
    RateLimited,
    RunFailed,
    StreamlabError,
    Unavailable,
)
from streamlab_client.events import (
    Done,
    Event,
    FinalAnswer,
    Gap,
    Retry,
    RunError,
    Snapshot,
    TextDelta,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
)
from streamlab_client.reader import Anew
from streamlab_client.retry import Backoff
from streamlab_client.runs import RunState, StartedRun

__all__ = [
    "Anew",
    "AsyncClient",
    "AsyncStream",
    "AsyncTextStream",
    "AuthError",
    "Backoff",
    "Client",
    "ConnectionLost",
    "Done",
    "Event",
    "FinalAnswer",
    "Gap",
    "InvalidRequest",
    "NotFound",
    "ProtocolError",
    "RateLimited",
    "Retry",
    "RunError",
    "RunFailed",
    "RunState",
    "Snapshot",
    "StartedRun",
    "Stream",
    "StreamlabError",
    "TextDelta",
    "TextStream",
    "Thinking",
    "ToolCall",
    "ToolResult",
    "Unavailable",
    "Usage",
]
