"""How long a prompt a model can take, as far as that is known before it is asked."""

from collections.abc import Sequence

from streamlab.latency.observation import Observation
from streamlab.latency.plan import Plan
from streamlab.local_model import LOCAL, LONGEST_ANSWER
from streamlab.settings import Settings

LEAST_READ, MOST_READ = 0.5, 1.2  # of the tokens that are estimated; tokenizers differ by less


def fitted(plan: Plan, settings: Settings) -> Plan:
    """Leave out the prompt lengths that do not fit into a model's context together with the answer."""
    contexts = {LOCAL: settings.lab_local_context}
    room = plan.max_tokens or LONGEST_ANSWER
    known = [(model, length) for model in plan.models if model in contexts for length in sorted(plan.prompt_lengths)]
    beyond = tuple((model, length) for model, length in known if MOST_READ * length + room > contexts[model])
    return plan.model_copy(update={"beyond_context": beyond})


def left_out(plan: Plan | None, seen: Sequence[Observation]) -> list[tuple[str, int]]:
    """Return the models and prompt lengths that do not fit into the context, as was known before, or told."""
    told = [(each.model, each.prompt_length) for each in seen if each.prompt_length and each.too_long]
    return list(dict.fromkeys([*(plan.beyond_context if plan else ()), *told]))


def cut_short(seen: Sequence[Observation]) -> list[tuple[str, int, int]]:
    """Return the models and prompt lengths of which the server read far less, and how many tokens it says it read."""
    found = {
        (each.model, each.prompt_length): each.prompt_tokens
        for each in seen
        if each.prompt_length
        and each.prompt_tokens is not None
        and each.prompt_tokens < LEAST_READ * each.prompt_length
    }
    return [(model, length, read) for (model, length), read in found.items()]
