"""What a model is told of a conversation: its questions with the files that went with them, and its answers."""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from streamlab.attachments.content import question_message
from streamlab.chats.attached import TOLD_AGAIN, Attached
from streamlab.chats.chat import Attachment, Turn


async def question(attached: Attached, turn: Turn, *, images: bool) -> HumanMessage:
    """Ask the question of a turn. Raises HubUnreachable."""
    return await _asked(attached, turn, turn.attachments, images=images)


async def messages(attached: Attached, turns: Sequence[Turn], *, images: bool) -> list[BaseMessage]:
    """Make the messages that tell the model of former turns. Raises HubUnreachable.

    A question that got no text is left out, or roles would not alternate. Of files so many are sent again as there is
    room for, the newest first, and images where the model is not known to take none; of the others it has the names.
    """
    told: list[BaseMessage] = []
    room = TOLD_AGAIN
    for turn in reversed(turns):
        if not (turn.outcome and turn.outcome.text):
            continue
        fitting: list[Attachment] = []
        for each in turn.attachments:
            if each.size <= room:
                fitting.append(each)
                room -= each.size
        told += [AIMessage(turn.outcome.text), await _asked(attached, turn, fitting, images=images)]
    return told[::-1]


async def _asked(attached: Attached, turn: Turn, attachments: Sequence[Attachment], *, images: bool) -> HumanMessage:
    found = await attached.found(each for each in attachments if images or not each.is_image)
    left_out = [each.name for each in turn.attachments if each.key not in found]
    files = [found[each.key] for each in turn.attachments if each.key in found]
    return question_message(turn.question, files, left_out)
