"""Ask a Streaming Lab server, and follow its answers while they arrive, whatever happens to the connection.

with Client("http://localhost:8501/api") as lab:
    for piece in lab.text("What is streaming?"):
        print(piece, end="", flush=True)
"""

from streamlab_client.client import AsyncClient, Client
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
from streamlab_client.patience import Backoff
from streamlab_client.reader import Anew
from streamlab_client.runs import RunState, StartedRun
from streamlab_client.stream import AsyncStream, AsyncTextStream, Stream, TextStream

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
