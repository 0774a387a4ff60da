"""What a teacher's click does to the room, whatever becomes of it."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from components.page.lab import engine
from components.page.session import session
from components.page.texts import t
from streamlab.hub import HubUnreachable
from streamlab.rooms.room import RoomRefused


def do(work: Callable[..., Awaitable[object]], *args: object) -> bool:
    """Change the room; say so and return False where that cannot be saved."""
    try:
        with suppress(RoomRefused):  # it is gone, which the page says
            engine().portal.call(work, *args)
    except HubUnreachable:
        session().notice = t("notice.unreachable")
        return False
    return True
