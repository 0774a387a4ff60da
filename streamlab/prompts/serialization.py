"""A prompt set as a YAML file, and a small one as part of an address."""

import base64
import binascii
import json
import zlib
from contextlib import suppress
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from streamlab.prompts.left_out import LeftOut
from streamlab.prompts.prompt_set import VERSION, PromptSet
from streamlab.prompts.scalars import PlainScalar, parse_json_texts

MAX_BYTES = 2 * 1024 * 1024
MAX_NODES = 60_000  # texts, lists and mappings of a file; the largest set has about 41,000 of them
MAX_ADDRESS = 4_000  # characters; some servers and chat programs take no longer address

SetErrorCode = Literal[
    "not_text",
    "not_yaml",
    "alias",
    "duplicate_key",
    "unknown_version",
    "wrong_field",
    "no_prompt",
    "too_large",
    "damaged",
]


class BrokenSet(ValueError):
    """An error in a saved set, as a `code` and a `detail` that may be shown: it holds only names of fields.

    - `not_text`: no UTF-8; `not_yaml`, `alias`, `duplicate_key`: the line
    - `unknown_version`: the version, its first 20 characters
    - `wrong_field`: the path of the field, ": ", and what is allowed
    - `no_prompt`: a promptfoo configuration without one that can be taken; `left_out` says why
    - `too_large`: how many bytes, characters or values are allowed; `damaged`: an address that was not copied whole
    """

    def __init__(self, code: SetErrorCode, detail: str = "", left_out: tuple[LeftOut, ...] = ()) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.left_out = left_out
        self.code = code
        self.detail = detail

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be pickled: what it was made of, and what it knows."""
        return type(self), (self.code,), self.__dict__


# YAML


class _Dumper(yaml.SafeDumper):
    """Writes long and multi-line texts as blocks, which keep their line ends readable, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text or len(text) > 80 else None
    if any(end in text for end in "\r\x85\u2028\u2029"):  # line ends to YAML, which reads some of them as "\n"
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


class _Loader(yaml.BaseLoader):
    """Reads texts, lists and mappings only: `no` and `2024-01-01` stay as written. Notes the first alias."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nodes = 0
        self.alias = ""  # its line

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            events: Any = self  # the type stubs leave this method untyped
            self.alias = self.alias or _line(events.peek_event().start_mark)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise BrokenSet("too_large", f"{MAX_NODES} values")
        return super().compose_node(parent, index)

    def construct_scalar(self, node: Any) -> str:
        text = str(super().construct_scalar(node))
        return text if node.style else PlainScalar(text)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise BrokenSet("not_yaml", _line(key.start_mark))
            if key.value in seen:
                raise BrokenSet("duplicate_key", _line(key.start_mark))
            seen.add(key.value)
        found = super().construct_mapping(node, deep=deep)
        merged = found.pop("<<", {}) if self.alias else {}
        for each in merged if isinstance(merged, list) else [merged]:
            found = {**each, **found} if isinstance(each, dict) else found
        return found


def to_yaml(prompts: PromptSet) -> str:
    """Write the set as YAML that people can edit and `from_yaml` reads."""
    return dump_yaml(prompts.model_dump(mode="json"))


def dump_yaml(content: Any) -> str:
    """Write YAML with keys in their order, Unicode as it is, and long texts as blocks."""
    width = 10**9  # a folded line would be hard to edit
    return str(yaml.dump(content, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=width))


def from_yaml(data: bytes) -> PromptSet:
    """Read a set from YAML. Raise BrokenSet."""
    content, alias = load_yaml(data)
    if alias:
        raise BrokenSet("alias", alias)
    return validate(content)


def load_yaml(data: bytes) -> tuple[Any, str]:
    """Read YAML or JSON as texts, lists and mappings; return also the line of the first alias, if there is one.

    Raise BrokenSet, also where aliases would make more than MAX_NODES of what is short.
    """
    if len(data) > MAX_BYTES:
        raise BrokenSet("too_large", f"{MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BrokenSet("not_text", str(data.count(b"\n", 0, error.start) + 1)) from None
    if text.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):  # flow style of YAML begins so as well
            return parse_json_texts(text), ""
    try:
        loader = _Loader(text)
        try:
            content = loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise BrokenSet("not_yaml", _line(error.problem_mark or error.context_mark)) from None
    except yaml.reader.ReaderError as error:
        raise BrokenSet("not_yaml", str(text.count("\n", 0, error.position) + 1)) from None
    except (yaml.YAMLError, RecursionError):
        raise BrokenSet("not_yaml") from None
    if loader.alias:
        _check_size(content)
    return content, loader.alias


def _check_size(content: Any) -> None:
    """Raise BrokenSet for more than MAX_NODES values with each alias written out, and so for one within itself."""
    open_values, nodes = [content], 0
    while open_values:
        value = open_values.pop()
        nodes += 1
        if nodes > MAX_NODES:
            raise BrokenSet("too_large", f"{MAX_NODES} values")
        if isinstance(value, dict):
            open_values += value.values()
        elif isinstance(value, list):
            open_values += value


def _line(mark: yaml.Mark | None) -> str:
    return str(mark.line + 1) if mark else ""


# Addresses


def to_address(prompts: PromptSet) -> str | None:
    """Pack the set into letters, digits, `-` and `_`; return None if that takes more than MAX_ADDRESS of them."""
    address = pack(prompts)
    return address if len(address) <= MAX_ADDRESS else None


def from_address(address: str) -> PromptSet:
    """Unpack a set from an address. Raise BrokenSet."""
    if len(address) > MAX_ADDRESS:
        raise BrokenSet("too_large", f"{MAX_ADDRESS} characters")
    return unpack(address)


def pack(prompts: PromptSet) -> str:
    """Pack the set into letters, digits, `-` and `_`."""
    content = prompts.model_dump(mode="json", exclude_defaults=True) | {"version": VERSION}
    if prompts.checks:  # whose type is a default to pydantic, but not to who reads it
        content["checks"] = [{"type": check.type} | check.model_dump(exclude_defaults=True) for check in prompts.checks]
    packed = zlib.compress(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(), 9)
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def unpack(address: str) -> PromptSet:
    """Unpack what `pack` wrote. Raise BrokenSet."""
    try:
        packed = base64.b64decode(address + "=" * (-len(address) % 4), altchars=b"-_", validate=True)
        unpacked = _decompress(packed)
        content = json.loads(unpacked.decode())
    except (ValueError, binascii.Error, zlib.error, RecursionError):
        raise BrokenSet("damaged") from None
    return validate(content)


def _decompress(packed: bytes) -> bytes:
    """Decompress a complete stream to at most MAX_BYTES: a few bytes can unpack to gigabytes."""
    stream = zlib.decompressobj()
    unpacked = stream.decompress(packed, MAX_BYTES)
    if not stream.eof or stream.unused_data:
        raise ValueError("not a whole stream")
    return unpacked


# Both


def validate(content: Any) -> PromptSet:
    """Make a set of what a file or an address holds. Raise BrokenSet."""
    if not isinstance(content, dict):
        raise BrokenSet("wrong_field", ": a set with version, variants, columns and cases")
    version = str(content.get("version", "none"))
    if version != str(VERSION):
        raise BrokenSet("unknown_version", version[:20])
    try:
        return PromptSet.model_validate(content | {"version": VERSION})
    except ValidationError as error:
        raise BrokenSet("wrong_field", first_error(error)) from None
    except RecursionError:
        raise BrokenSet("wrong_field") from None


def first_error(error: ValidationError) -> str:
    """Describe the first wrong field and what is allowed there, without its value."""
    first = error.errors(include_url=False, include_input=False)[0]
    path = ".".join(str(part)[:60] for part in first["loc"])
    if first["type"] == "union_tag_invalid":  # its message repeats the value
        return f"{path}.type: one of {first['ctx']['expected_tags']}"
    return f"{path}: {first['msg'].removeprefix('Value error, ')[:200]}"
