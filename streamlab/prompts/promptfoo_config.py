"""A promptfoo configuration opened as a set: our own export exactly, others as far as a set can say the same."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from streamlab.prompts.left_out import LeftOut, LeftOuts
from streamlab.prompts.prompt_set import MAX_AT_ONCE, MAX_REPEATS, PromptSet
from streamlab.prompts.promptfoo import EXPORTED, KEPT, to_promptfoo
from streamlab.prompts.promptfoo_cases import to_cases
from streamlab.prompts.promptfoo_providers import NO_PLACES, Places
from streamlab.prompts.promptfoo_variants import to_variants
from streamlab.prompts.serialization import BrokenSet, first_error, load_yaml, unpack, validate

_KEYS = ("prompts", "providers", "targets", "tests", "defaultTest", "evaluateOptions")


@dataclass(frozen=True, slots=True)
class OpenedSet:
    """A set from a file, and what the file has beside it."""

    prompts: PromptSet
    left_out: tuple[LeftOut, ...] = ()


def open_set(data: bytes, model: str, places: Places = NO_PLACES) -> OpenedSet:
    """Read a set as YAML, or a promptfoo configuration as YAML or JSON. Raise BrokenSet.

    `model` answers where the configuration names no model that can be asked from here; `places` are
    the servers that have a name here.
    """
    content, alias = load_yaml(data)
    if isinstance(content, dict) and "version" not in content and any(key in content for key in _KEYS):
        return _kept(content, places) or _read(content, model, places)
    if alias:
        raise BrokenSet("alias", alias)
    return OpenedSet(validate(content))


def _kept(content: dict[str, Any], places: Places) -> OpenedSet | None:
    """Return the set that our export keeps in its metadata, if nothing of the export was changed since."""
    kept = content.get("metadata", {}).get(KEPT) if isinstance(content.get("metadata"), dict) else None
    if not isinstance(kept, str):
        return None
    with suppress(BrokenSet):
        prompts = unpack(kept)
        if load_yaml(to_promptfoo(prompts, places).encode())[0] == content:
            return OpenedSet(prompts)
    return None


def _read(content: dict[str, Any], model: str, places: Places) -> OpenedSet:
    left_out = LeftOuts()
    for key, value in content.items():
        ours = (key == "description" and value == EXPORTED) or (key == "metadata" and list(value) == [KEPT])
        if key not in _KEYS and key != "$schema" and not ours:
            left_out.leave("key", key)
    try:
        variants = to_variants(content, model, places, left_out)
        if not variants:
            raise BrokenSet("no_prompt", left_out=tuple(left_out))
        columns, cases, checks = to_cases(content, left_out)
        fields = _options(content.get("evaluateOptions"), left_out)
        prompts = PromptSet(variants=variants, columns=columns, cases=cases, checks=checks, **fields)
    except ValidationError as error:
        raise BrokenSet("wrong_field", first_error(error)) from None
    return OpenedSet(prompts, tuple(left_out))


def _options(options: Any, left_out: LeftOuts) -> dict[str, int]:
    limits = {"repeat": ("repeats", MAX_REPEATS), "maxConcurrency": ("at_once", MAX_AT_ONCE)}
    taken: dict[str, int] = {}
    for key, value in options.items() if isinstance(options, dict) else ():
        name, most = limits.get(key, ("", 0))
        number = int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 10 else 0
        if not name or not number:
            left_out.leave("key", f"evaluateOptions.{key}")
            continue
        if number > most:
            left_out.leave("limit", f"evaluateOptions.{key}", value)
        taken[name] = min(number, most)
    return taken
