"""What models can do, as their provider tells, else as LangChain's packages know. Nobody is refused what is unknown."""

import logging
import re
import runpy
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

logger = logging.getLogger(__name__)

_DATED = re.compile(r"(.+)-\d{4}-?\d{2}-?\d{2}")
# Where servers that speak OpenAI's protocol say how much a model reads: OpenRouter, Mistral, vLLM, Groq, LM Studio.
_CONTEXT = ("context_length", "max_context_length", "max_model_len", "context_window", "loaded_context_length")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model takes and gives; None where nobody says. `json`: by a schema; `context`: tokens of a prompt."""

    tools: bool | None = None
    images: bool | None = None
    json: bool | None = None
    reasoning: bool | None = None
    context: int | None = None

    def or_else(self, other: Self) -> Self:
        """Return these, and what is unknown of them as the other ones have it."""
        both = zip(astuple(self), astuple(other), strict=True)
        return type(self)(*(theirs if ours is None else ours for ours, theirs in both))


UNKNOWN = Capabilities()


def undated(model: str) -> str | None:
    """Return the name of the model of which this is a dated copy, such as gpt-4o-2024-08-06."""
    dated = _DATED.fullmatch(model)
    return dated[1] if dated else None


def profiled(package: str, model: str) -> Capabilities:
    """Look up what LangChain's package of a provider knows of a model, by its exact name or as a dated copy."""
    known = _profiles(package)
    found = known.get(model) or known.get(undated(model) or "") or {}
    return Capabilities(
        tools=_flag(found.get("tool_calling")),
        images=_flag(found.get("image_inputs")),
        json=_flag(found.get("structured_output")),
        reasoning=_flag(found.get("reasoning_output")),
        context=_count(found.get("max_input_tokens")),
    )


def listed(entry: Mapping[str, Any]) -> Capabilities:
    """Read what a compatible server says of a model beside its name, each in its own words; odd words say nothing."""
    architecture, meta = _mapping(entry.get("architecture")), _mapping(entry.get("meta"))
    modalities = _names(architecture.get("input_modalities"))  # OpenRouter
    parameters = _names(entry.get("supported_parameters"))
    can = _mapping(entry.get("capabilities"))  # Mistral
    able = _names(entry.get("capabilities"))  # llama.cpp, Ollama; LM Studio's are not all
    contexts = (*map(entry.get, _CONTEXT), meta.get("n_ctx"), meta.get("n_ctx_train"))  # the last two are llama.cpp's
    told = Capabilities(
        tools=_flag(can.get("function_calling")),
        images=_flag(can.get("vision")),
        reasoning=_flag(can.get("reasoning")),
        context=next(filter(None, map(_count, contexts)), None),
    )
    if able:
        sees = not able.isdisjoint(("vision", "multimodal"))
        told = told.or_else(Capabilities(not able.isdisjoint(("tools", "tool_use")) or None, sees or _all_of(able)))
    if modalities:
        told = told.or_else(Capabilities(images="image" in modalities))
    if parameters:
        of_them = ("tools" in parameters, None, "structured_outputs" in parameters, "reasoning" in parameters)
        told = told.or_else(Capabilities(*of_them))
    return told


@cache
def _profiles(package: str) -> Mapping[str, Mapping[str, Any]]:
    """Read the table of a LangChain package, which it makes of models.dev.

    It is promised as a client's `profile` only, for which a key would be needed, and the seconds that the package takes
    to be loaded. So the file is read. Checked with langchain-openai 1.7.4, langchain-anthropic 1.7.10 and
    langchain-google-genai 4.4.3. Where it is no more, nothing is known; `tests/test_upstream.py` fails then.
    """
    package_spec = find_spec(package)
    places = package_spec.submodule_search_locations if package_spec else None
    if not places:
        return {}
    file = Path(next(iter(places))) / "data" / "_profiles.py"
    try:
        found: Mapping[str, Mapping[str, Any]] = runpy.run_path(str(file))["_PROFILES"]
    except (OSError, KeyError, SyntaxError):
        logger.warning("%s has no table of its models any more: nothing is known of what they can do", package)
        return {}
    return found


def _all_of(able: frozenset[str]) -> bool | None:
    """Tell what a capability is that is not among these."""
    return False if "completion" in able else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _names(value: object) -> frozenset[str]:
    return frozenset(each for each in value if isinstance(each, str)) if isinstance(value, list) else frozenset()
