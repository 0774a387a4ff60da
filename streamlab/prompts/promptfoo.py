"""Export of a set as a promptfoo configuration, to run the same comparison in a build."""

import json
import re
from collections.abc import Mapping
from typing import Any

from streamlab.demo_model import is_demo
from streamlab.local_model import LOCAL
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.prompts import template
from streamlab.prompts.checks import (
    Check,
    Contains,
    Equals,
    Json,
    JsonSchema,
    MaxWords,
    NotContains,
    Regex,
    check_variables,
    fill_pattern,
    fill_value,
)
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.prompts.promptfoo_providers import (
    DEMO_PORT,
    DEMO_URL,
    LOCAL_ADDRESS,
    LOCAL_URL,
    NO_PLACES,
    Places,
    written_for,
)
from streamlab.prompts.serialization import dump_yaml, pack

SCHEMA = "https://promptfoo.dev/config-schema.json"
EXPORTED = "Exported from Streaming Lab"
KEPT = "streaming_lab"  # the key of the metadata that keeps the set itself, for it to be opened again exactly
_DEMO_HELP = f"""\
# The demo model speaks OpenAI's protocol. Before `promptfoo eval`, start it in the folder of Streaming Lab:
#   python -m streamlab.demo_model --port {DEMO_PORT}
# At another address, name that in {DEMO_URL}, such as http://127.0.0.1:{DEMO_PORT}/v1.
"""
_LOCAL_HELP = f"""\
# The local model is asked over Streaming Lab's gateway: start the app (`make run`) before `promptfoo eval`.
# At another address than {LOCAL_ADDRESS}, name that in {LOCAL_URL}.
"""

# Names that Nunjucks reads as something else than a variable, and those that promptfoo fills itself.
_RESERVED = frozenset(
    ("true", "false", "none", "null", "not", "and", "or", "in", "is", "if", "else", "for", "env", "_conversation")
)
_TAG = re.compile(r"\{(?=[{%#]|\Z)|(?<=#)\}")
_SPECIAL = re.compile(r"\{\{|\n\Z|\A(?:file|package):")


def to_promptfoo(prompts: PromptSet, places: Places = NO_PLACES) -> str:
    """Write YAML for `promptfoo eval`. Raise TemplateError for a set whose templates are broken.

    Each variant is one prompt, a chat in JSON, tied to one provider. Providers are found by the environment
    (`OPENAI_BASE_URL`, `OPENAI_API_KEY` and the others' keys), the demo model by `DEMO_BASE_URL`, or at the port at
    which a comment says to start it, the local model over the gateway, and servers of a name of their own at the
    `places` that they have, with the key in their variable. Each check is one assertion. Those that name a
    column are written out for each case, so that nothing of a case is read as a template. The metadata keep the set,
    for it to be opened again exactly.

    Where promptfoo differs: `max_words` counts what spaces separate, so Japanese is not counted; `regex` is
    JavaScript's; JSON within a Markdown fence is unwrapped for its checks by a transform; letters of different case
    are compared by `toLowerCase`.
    """
    names = _variables(prompts)
    wrapped = _wrapped(prompts)
    common = [check for check in prompts.checks if not _of_case(check, prompts)]
    config: dict[str, Any] = {
        "description": EXPORTED,
        "prompts": [_prompt(index, variant, names, wrapped) for index, variant in enumerate(prompts.variants)],
        "providers": [_provider(index, variant, places) for index, variant in enumerate(prompts.variants)],
        **({"defaultTest": {"assert": [_assertion(check, {}) for check in common]}} if common else {}),
        "tests": [_test(prompts, values, names, wrapped) for values in prompts.inputs()],
        "evaluateOptions": {"repeat": prompts.repeats, "maxConcurrency": prompts.at_once},
        "metadata": {KEPT: pack(prompts)},
    }
    models = [variant.model for variant in prompts.variants]
    said = (_DEMO_HELP if any(map(is_demo, models)) else "") + (_LOCAL_HELP if LOCAL in models else "")
    return f"# yaml-language-server: $schema={SCHEMA}\n{said}{dump_yaml(config)}"


def _variables(prompts: PromptSet) -> dict[str, str]:
    """Return each column's variable name: its own wherever Nunjucks can read that."""
    names: dict[str, str] = {}
    for column in prompts.columns:
        name = column if column.isidentifier() else f"column_{len(names) + 1}"
        while name in _RESERVED or name in names.values() or (name != column and name in prompts.columns):
            name += "_"
        names[column] = name
    return names


def _wrapped(prompts: PromptSet) -> set[str]:
    """Return the columns with a text that promptfoo would load, shorten or fill itself.

    It leaves alone what is not a string and holds no `{{`: these become `{pieces: [...]}`, cut between the braces.
    """
    return {
        column
        for column in prompts.columns
        if any(_SPECIAL.search(values[column]) for values in prompts.inputs() if values)
    }


def _value(text: str, wrapped: bool) -> str | dict[str, list[str]]:
    return {"pieces": re.split(r"(?<=\{)(?=\{)", text)} if wrapped else text


def _label(index: int, variant: Variant) -> str:
    """Return a numbered label without tags; promptfoo also finds prompts by the beginning of their label."""
    return f"{index + 1}. {variant.name.replace('{{', '{ {')}"


def _prompt(index: int, variant: Variant, names: Mapping[str, str], wrapped: set[str]) -> dict[str, Any]:
    text = "".join(
        _escaped(text) + ("" if name is None else _expression(name, names, wrapped))
        for text, name in template.parts(variant.template)
    )
    messages = [{"role": "system", "content": literal(variant.system)}] if variant.system.strip() else []
    chat = [*messages, {"role": "user", "content": text}]
    return {"label": _label(index, variant), "raw": json.dumps(chat, ensure_ascii=False, indent=2) + "\n"}


def _expression(name: str, names: Mapping[str, str], wrapped: set[str]) -> str:
    variable = names.get(name, name)
    return f"{{{{ {variable}.pieces | join }}}}" if name in wrapped else f"{{{{ {variable} }}}}"


def literal(text: str) -> str:
    """Escape text so that Nunjucks and promptfoo give it back as it is.

    That includes `{{ env.X }}`, which promptfoo fills before anything else, even within `{% raw %}`, and a beginning
    that promptfoo would take for a file or a package to load.
    """
    escaped = _escaped(text)
    return "{{ '' }}" + escaped if re.match(r"file:|package:", text) else escaped


def _escaped(text: str) -> str:
    return _TAG.sub(lambda brace: f"{{{{ '{brace[0]}' }}}}", text)


def _provider(index: int, variant: Variant, places: Places) -> dict[str, Any]:
    id, config = written_for(variant.model, places)
    if variant.temperature != DEFAULT_TEMPERATURE:
        config["temperature"] = variant.temperature
    label = _label(index, variant)
    return {"id": id, "label": label, "config": config, "prompts": [label]}


def _test(prompts: PromptSet, values: Mapping[str, str], names: Mapping[str, str], wrapped: set[str]) -> dict[str, Any]:
    variables = {names[name]: _value(text, name in wrapped) for name, text in values.items()}
    own = [_assertion(check, values) for check in prompts.checks if _of_case(check, prompts)]
    return ({"vars": variables} if variables else {}) | ({"assert": own} if own else {}) or {"vars": {}}


def _of_case(check: Check, prompts: PromptSet) -> bool:
    return any(name in prompts.columns for name in check_variables(check))


# The same rule as for the checks here: the whole answer is one Markdown fence, with or without `json`.
UNFENCED = r"output.trim().replace(/^```(?:json)?[ \t]*\r?\n([\s\S]*)```$/i, '$1')"


def _assertion(check: Check, values: Mapping[str, str]) -> dict[str, Any]:
    match check:
        case Contains() | NotContains():
            negated = "not-" if isinstance(check, NotContains) else ""
            kind = "icontains" if check.ignore_case else "contains"
            return {"type": negated + kind, "value": literal(fill_value(check.value, values))}
        case Equals():
            return {"type": "equals", "value": literal(fill_value(check.value, values))}
        case Regex():
            return {"type": "regex", "value": literal(fill_pattern(check.value, values))}
        case Json():
            return {"type": "is-json", "transform": UNFENCED}
        case JsonSchema():  # as text, because promptfoo would resolve a `$ref` of an object in the whole configuration
            return {"type": "is-json", "value": literal(check.value), "transform": UNFENCED}
        case MaxWords():
            return {"type": "word-count", "value": {"max": check.value}}
