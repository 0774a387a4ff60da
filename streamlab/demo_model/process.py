"""The demo model as a child process."""

from streamlab.process.child_server import ChildServer


class DemoModel(ChildServer):
    """Serves the demo model on this port, or on a free one."""

    def __init__(self, port: int = 0) -> None:
        super().__init__("The demo model", "streamlab.demo_model", ["--port", str(port)])
