"""The model's next turn: more calls, or the words on their results."""

from collections.abc import Sequence
from dataclasses import dataclass

from streamlab.demo_model.notes import Language
from streamlab.demo_model.options import Options
from streamlab.demo_model.request import ChatRequest, Function
from streamlab.demo_model.tool_use.arguments import fill_arguments
from streamlab.demo_model.tool_use.calls import Call, read_answers
from streamlab.demo_model.tool_use.scenarios import Intent, read_intents
from streamlab.demo_model.tool_use.toolbox import SCENARIOS, Toolbox


@dataclass(frozen=True, slots=True)
class Turn:
    """Without calls, the text is the answer."""

    text: str
    calls: tuple[Call, ...] = ()


def take_turn(request: ChatRequest, options: Options, language: Language, question: str) -> Turn | None:
    """Answer by tools, or return None when the question is none for those that are offered."""
    tools = Toolbox(request.functions, read_answers(request.messages), language)
    if not request.offered and not tools.answers:
        return None
    intents = read_intents(question, tools)
    turn = _next_calls(intents, request, tools)
    calls = turn.calls
    if request.offered and not calls and (request.must_call or options.tool_loop):
        calls = (_demanded(next(iter(request.offered.values())), question),)
    if request.offered and not tools.answers:
        calls = _spoil(calls, options)
    if calls:
        return Turn(turn.text, calls[:1] if request.parallel_tool_calls is False else calls)
    told = [intent.text for intent in intents] or [tools.tell(call) for call in tools.answers]
    return Turn("\n\n".join(told)) if tools.answers else None


def _next_calls(intents: Sequence[Intent], request: ChatRequest, tools: Toolbox) -> Turn:
    """Call for all intents at once; when one takes several steps, for one after the other, each with a word before."""
    missing = [
        [call for call in intent.calls if call not in tools.answers and call.tool in request.offered]
        for intent in intents
    ]
    if not any(intent.stepwise for intent in intents):
        return Turn("", tuple(dict.fromkeys(call for calls in missing for call in calls)))
    for intent, calls in zip(intents, missing, strict=True):
        if calls:
            begun = any(call in tools.answers for call in intent.calls)
            return Turn("" if begun else tools.say(f"lead_{intent.scenario}"), tuple(dict.fromkeys(calls)))
    return Turn("")


def _demanded(function: Function, question: str) -> Call:
    """Make a call for a client that insists on one."""
    known = {parameter: value or question for name, parameter, value in SCENARIOS.values() if name == function.name}
    return Call.of(function.name, **fill_arguments(function, question, known))


def _spoil(calls: tuple[Call, ...], options: Options) -> tuple[Call, ...]:
    """Make the first calls wrong in the way that the options want."""
    if options.unknown_tool:
        return (Call("no_such_tool", "{}"),)
    if options.bad_arguments:
        return tuple(Call.of(call.tool, no_such_argument=True) for call in calls)
    if options.broken_arguments:
        # Not merely cut short: clients complete such JSON as best they can.
        return tuple(Call(call.tool, call.arguments.replace("{", "[", 1)) for call in calls)
    return calls
