"""A promptfoo configuration's prompts and providers as variants: every prompt at every provider that takes it."""

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import Any, NamedTuple

import yaml

from streamlab.demo_model import DEMO
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.prompts.left_out import LeftOutCode, LeftOuts
from streamlab.prompts.nunjucks import NotPlain, Parts, parse, render
from streamlab.prompts.prompt_set import MAX_VARIANTS, MIN_VARIANTS, Variant
from streamlab.prompts.promptfoo_providers import Places, provider_of, taken_config

_FILES = (
    ".txt",
    ".json",
    ".jsonl",
    ".yaml",
    ".yml",
    ".csv",
    ".md",
    ".j2",
    ".py",
    ".js",
    ".cjs",
    ".mjs",
    ".ts",
    ".xlsx",
)
_SCHEMES = ("file", "exec", "package", "langfuse", "portkey", "helicone", "http", "https")
_TAKEN_CONFIG = {"temperature", "omitDefaults", "apiKey", "apiKeyEnvar"}  # of a provider; a key is no part of a set


class _Prompt(NamedTuple):
    """A prompt, and the `names` by which a provider may choose it: its label, its id, its text."""

    names: tuple[str, ...]
    label: str
    system: str
    template: str


class _Provider(NamedTuple):
    """A model that can be asked from here. `prompts` are the names of those that it is for, None for all."""

    label: str
    model: str
    temperature: float
    prompts: tuple[str, ...] | None


def to_variants(content: dict[str, Any], model: str, places: Places, left_out: LeftOuts) -> tuple[Variant, ...]:
    """Make two to six variants; `model` answers where no provider can be asked. Make none of no prompts."""
    prompts = list(_prompts(content.get("prompts"), left_out))
    providers = list(_providers(content.get("providers", content.get("targets")), places, left_out))
    if not providers:
        left_out.leave("no_provider", "providers", model)
        providers = [_Provider("", model, DEFAULT_TEMPERATURE, None)]
    variants: list[Variant] = []
    for prompt, provider, several in _pairs(prompts, providers):
        label = f"{prompt.label} · {provider.label}" if several else prompt.label
        if len(variants) >= MAX_VARIANTS:
            left_out.leave("limit", label, f"{MAX_VARIANTS} variants")
            continue
        taken = {variant.name for variant in variants}
        variants.append(
            Variant(
                name=_name(label, taken),
                system=prompt.system,
                template=prompt.template,
                model=provider.model,
                temperature=provider.temperature,
            )
        )
    if 0 < len(variants) < MIN_VARIANTS:
        left_out.leave("one_prompt", "prompts", variants[0].name)
        variants.append(variants[0].model_copy(update={"name": _name(variants[0].name, {variants[0].name})}))
    return tuple(variants)


def _pairs(prompts: list[_Prompt], providers: list[_Provider]) -> Iterator[tuple[_Prompt, _Provider, bool]]:
    """Yield each prompt with each provider that takes it, and whether several do."""
    for prompt in prompts:
        takers = [
            each
            for each in providers
            if each.prompts is None or any(_chosen(name, each.prompts) for name in prompt.names)
        ]
        yield from ((prompt, taker, len(takers) > 1) for taker in takers)


def _chosen(name: str, chosen: tuple[str, ...]) -> bool:
    """Tell whether a provider wants the prompt: by its name, a group's name, or `group:*`."""
    return any(
        name == each or (each.endswith("*") and name.startswith(each[:-1])) or name.startswith(f"{each}:")
        for each in chosen
    )


def _name(label: str, taken: set[str]) -> str:
    plain = " ".join(label.split())[:60].strip() or "1"
    return next(name for n in count(1) if (name := plain if n == 1 else f"{plain[:55]} {n}") not in taken)


def _prompts(prompts: Any, left_out: LeftOuts) -> Iterator[_Prompt]:
    if isinstance(prompts, dict):  # names of files, and their labels
        prompts = list(prompts)
        for number, name in enumerate(prompts):
            left_out.leave("file", f"prompts.{number}", name)
        return
    for number, prompt in enumerate(prompts if isinstance(prompts, list) else [prompts] if prompts else []):
        place = f"prompts.{number}"
        entry = prompt if isinstance(prompt, dict) else {"raw": prompt}
        left_out.leave_keys(entry, {"raw", "label", "id", "display"}, place)
        raw = entry.get("raw", entry.get("id"))
        if not isinstance(raw, str) or not raw.strip() or _is_file(raw):
            left_out.leave("file", place, raw if isinstance(raw, str) else entry.get("label", ""))
            continue
        label = entry.get("label", entry.get("display"))
        names = tuple(each for each in (label, entry.get("id"), raw) if isinstance(each, str))
        try:
            system, template = _chat(raw)
        except NotPlain as error:
            left_out.leave("template", place, error.tag)
        except _NoChat as error:
            left_out.leave(error.code, place, error.detail)
        else:
            yield _Prompt(names, _unnumbered(label) if isinstance(label, str) else template, system, template)


def _is_file(raw: str) -> bool:
    """Tell whether promptfoo would load the prompt: by a scheme, or a name on one line that ends as files do."""
    scheme, _, _ = raw.partition(":")
    if scheme in _SCHEMES:
        return True
    return len(raw.split()) == 1 and "{{" not in raw and raw.strip().lower().endswith(_FILES)


def _unnumbered(label: str) -> str:
    """Return the label without the number that our export begins it with."""
    number, dot, rest = label.partition(". ")
    return (rest if dot and number.isdecimal() and rest else label).replace("{ {", "{{")


class _NoChat(ValueError):
    """The messages are none that a variant has: one from the user, and before it what the system says."""

    def __init__(self, code: LeftOutCode, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


def _chat(raw: str) -> tuple[str, str]:
    """Return what the system says and our template. Raise NotPlain or _NoChat."""
    system: list[str] = []
    messages = _messages(raw)
    if messages is None:
        return "", _braced(parse(raw))
    for message in messages[:-1]:
        role, text = _message(message)
        if role not in ("system", "developer"):
            raise _NoChat("messages", role)
        parts = parse(text)
        if named := [name for _, name in parts if name is not None]:
            raise _NoChat("system_variables", ", ".join(named))
        system.append(render(parts, {}))
    role, text = _message(messages[-1])
    if role != "user":
        raise _NoChat("messages", role)
    return "\n\n".join(system), _braced(parse(text))


def _messages(raw: str) -> list[Any] | None:
    """Return the messages of a chat in JSON or YAML, or None for a text."""
    content: Any = None
    with suppress(ValueError, RecursionError):
        content = json.loads(raw, strict=False)
    if content is None and raw.lstrip().startswith("- role:"):
        with suppress(yaml.YAMLError, RecursionError):
            content = yaml.load(raw, Loader=yaml.BaseLoader)
    if isinstance(content, dict) and isinstance(content.get("messages"), list):
        content = content["messages"]
    chat = isinstance(content, list) and content and all(isinstance(each, dict) and "role" in each for each in content)
    return content if chat else None


def _message(message: dict[str, Any]) -> tuple[str, str]:
    role, content = str(message["role"]), message.get("content")
    if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        content = "".join(str(part.get("text", "")) for part in content)
    if not isinstance(content, str):
        raise _NoChat("messages", role)
    return role, content


def _braced(parts: Parts) -> str:
    """Write a template of ours, in which braces of the text are doubled."""
    doubled = str.maketrans({"{": "{{", "}": "}}"})
    return "".join(text.translate(doubled) + ("" if name is None else f"{{{name}}}") for text, name in parts)


def _providers(providers: Any, places: Places, left_out: LeftOuts) -> Iterator[_Provider]:
    for number, provider in enumerate(providers if isinstance(providers, list) else [providers] if providers else []):
        place = f"providers.{number}"
        entry = provider if isinstance(provider, dict) else {"id": provider}
        if "id" not in entry and len(entry) == 1:  # `- openai:gpt-4o: {config: …}`
            name, inner = next(iter(entry.items()))
            entry = {"id": name, **(inner if isinstance(inner, dict) else {})}
        config = entry["config"] if isinstance(entry.get("config"), dict) else {}
        found = provider_of(entry.get("id"), config, places)
        if not found:
            left_out.leave("provider", place, entry.get("id", ""))
            continue
        asked, model = found
        left_out.leave_keys(entry, {"id", "label", "config", "prompts"}, place)
        own = taken_config(asked, model, places)
        temperature = _temperature(config, own, asked.silent, model, place, left_out)
        prompts = entry.get("prompts")
        chosen = tuple(map(str, prompts)) if isinstance(prompts, list) else None
        yield _Provider(str(entry.get("label") or model), model, temperature, chosen)


def _temperature(
    config: dict[str, Any], ours: dict[str, Any], silent: float, model: str, place: str, left_out: LeftOuts
) -> float:
    own = {key for key, value in ours.items() if str(config.get(key)).rstrip("/") == str(value)}
    demo = {"apiBaseUrl"} if model.partition("?")[0] == DEMO else set()  # whose address is that of this server's own
    left_out.leave_keys(config, _TAKEN_CONFIG | own | demo, f"{place}.config")
    fallback = DEFAULT_TEMPERATURE if config.get("omitDefaults") == "true" else silent
    with suppress(TypeError, ValueError):
        temperature = float(config.get("temperature", fallback))
        if 0 <= temperature <= 2:
            return temperature
    left_out.leave("value", f"{place}.config.temperature", config.get("temperature"))
    return fallback
