"""The model's next turn: more calls, or the words on their results."""

from collections.abc import Sequence
from dataclasses import dataclass

from streamlab.demo_model.notes import Language
from streamlab.demo_model.options import Options
from streamlab.demo_model.request import ChatRequest, Function
from streamlab.demo_model.schema import SchemaFiller
from streamlab.demo_model.tool_use.calls import Call, Outcomes, read_outcomes
from streamlab.demo_model.tool_use.wishes import Wish, read_wishes
from streamlab.demo_model.tool_use.words import Words, words


@dataclass(frozen=True, slots=True)
class Turn:
    """Without calls, the text is the answer."""

    text: str
    calls: tuple[Call, ...] = ()


def take_turn(request: ChatRequest, options: Options, language: Language, question: str) -> Turn | None:
    """None when the question is none for the tools that are offered."""
    done = read_outcomes(request.messages)
    if not request.offered and not done:
        return None
    wishes = read_wishes(question, language)
    turn = _next_calls(wishes, done, request.offered, words(language))
    calls = turn.calls
    if request.offered and not calls and (request.must_call or options.tool_loop):
        calls = (_any_call(next(iter(request.offered.values())), question),)
    if request.offered and not done:
        calls = _spoil(calls, options)
    if calls:
        return Turn(turn.text, calls[:1] if request.parallel_tool_calls is False else calls)
    return Turn(_tell(wishes, done, words(language))) if done else None


def _next_calls(wishes: Sequence[Wish], done: Outcomes, offered: dict[str, Function], words: Words) -> Turn:
    """Of all wishes at once, or, when one takes several steps, of one after the other and with a word before each."""
    missing = [
        tuple(dict.fromkeys(call for call in wish.calls(done) if call not in done and call.tool in offered))
        for wish in wishes
    ]
    if not any(wish.stepwise for wish in wishes):
        return Turn("", tuple(dict.fromkeys(call for calls in missing for call in calls)))
    for wish, calls in zip(wishes, missing, strict=True):
        if calls:
            begun = any(call in done for call in wish.calls(done))
            return Turn("" if begun else words.say(wish.lead), calls)
    return Turn("")


def _any_call(function: Function, question: str) -> Call:
    """For a client that insists on a call."""
    match function.name:
        case "search_notes":
            return Call.of(function.name, query=question)
        case "calculate":
            return Call.of(function.name, expression="1 + 1")
        case "query_sales":
            return Call.of(function.name, sql="SELECT SUM(amount) AS sales FROM orders")
    arguments = SchemaFiller(function.parameters or {"type": "object"}, question, [question]).fill()
    return Call.of(function.name, **(arguments if isinstance(arguments, dict) else {}))


def _spoil(calls: tuple[Call, ...], options: Options) -> tuple[Call, ...]:
    """What the options want to be wrong with the first calls."""
    if options.unknown_tool:
        return (Call("no_such_tool", "{}"),)
    if options.bad_arguments:
        return tuple(Call.of(call.tool, no_such_argument=True) for call in calls)
    if options.broken_arguments:
        # Not merely cut short: clients complete such JSON as best they can.
        return tuple(Call(call.tool, call.arguments.replace("{", "[", 1)) for call in calls)
    return calls


def _tell(wishes: Sequence[Wish], done: Outcomes, words: Words) -> str:
    """What the wishes came to; without any, what each tool said."""
    if wishes:
        return "\n\n".join(wish.tell(done, words) for wish in wishes)
    return "\n\n".join(
        words.trouble(call, done) if outcome.error else words.say("answered", tool=call.tool, text=outcome.text)
        for call, outcome in done.items()
    )
