"""What a question asks of the tools: sales, the notes, sums, and whatever other tools it names."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from streamlab.demo_model.tool_use.arguments import fill_arguments, mentions
from streamlab.demo_model.tool_use.calls import Call
from streamlab.demo_model.tool_use.questions import MAX_QUESTION, find_keys, pattern, read_patterns
from streamlab.demo_model.tool_use.sales import compare, read_queries, tell_share
from streamlab.demo_model.tool_use.toolbox import SCENARIOS, Toolbox, number

DEPTH = 3  # of parentheses

DATE = re.compile(r"\b(?:19|20)\d\d(?:-(?:0[1-9]|1[0-2])\b|[-/]\d{1,2}[-/]\d{1,2})(?:-\d\d)?")
SENTENCE = re.compile(r"(?<=[.?!])\s+|(?<=[。?!])")


@dataclass(frozen=True, slots=True)
class Intent:
    """All calls that it takes, as far as this is known by now, and what their results say as Markdown."""

    scenario: str
    calls: list[Call]
    text: str
    stepwise: bool = False
    """Whether a call of it depends on the result of another."""


def read_intents(question: str, tools: Toolbox) -> list[Intent]:
    """Find what a question asks for. A scenario without its tool stays open, unless another tool stands in for it."""
    question = unicodedata.normalize("NFKC", question[:MAX_QUESTION])
    topic, rest = find_topic(question)
    intents = [*_sales(rest, tools), *([_notes(topic, tools)] if topic else []), *_sums(rest, tools)]
    if others := _others(question, tools):
        return [intent for intent in intents if tools.tool(intent.scenario) in tools.functions] + others
    return intents


def find_topic(question: str) -> tuple[str, str]:
    """Return what is to be looked up in the notes, if anything, and the rest of the question."""
    for text in read_patterns()["topics"]["asked"]:
        if match := re.search(text, question, re.I):
            topic = _bare(match["topic"])
            in_notes = pattern("topics", "named").search(match[0])
            if topic and (in_notes or not ("sales" in find_keys("scenarios", topic) or find_expressions(topic))):
                return topic, f"{question[: match.start()]} {question[match.end() :]}"
    return "", question


def find_expressions(text: str) -> list[str]:
    """List the sums in a text in the notation of a calculator: no separators, no `×`, no percent signs, no dates."""
    text = DATE.sub(" ", text)
    for notation, said in read_patterns()["sums"].items():
        text = re.sub(said, notation, text, flags=re.I)
    operand, sign = (plain := read_patterns()["parts"]["number"]), r"\s*(?:\*\*|[-+*/])\s*"
    for _ in range(DEPTH):
        operand = rf"-?\s*(?:{plain}|\(\s*{operand}(?:{sign}{operand})*\s*\))"
    found = re.findall(rf"(?<![\w.,-]){operand}(?:{sign}{operand})+(?![\w.]*[A-Za-z0-9_])", text, re.A)
    return list(dict.fromkeys(expression.replace(",", "").strip() for expression in found))


def _sales(question: str, tools: Toolbox) -> list[Intent]:
    """Several queries are a comparison. A share is that of the best group, or of the only period."""
    if not (queries := read_queries(question, tools)):
        return []
    query, calls = queries[0], [each.call for each in queries]
    compared = len(queries) > 1 and not query.group
    told = [compare(queries)] if compared else [each.tell() for each in queries]
    part = len(queries) == 1 and query != query.whole and query.measure != "average_order"
    if shared := part and "share" in find_keys("sales", question):
        more, share = tell_share(query)
        calls, told = [*calls, *more], [*told, share]
    return [Intent("sales", calls, "\n\n".join(dict.fromkeys(told)), shared)]


def _sums(question: str, tools: Toolbox) -> list[Intent]:
    expressions = find_expressions(question)
    asked = "sum" in find_keys("scenarios", question) or len("".join(expressions)) > len(question) / 2
    intents = []
    for expression in expressions if asked else []:
        call = tools.call("sum", expression)
        value = tools.result(call, "value")
        said = tools.say("sum", expression=expression, value=number(value))
        intents.append(Intent("sum", [call], tools.tell(call) if value is None else said))
    return intents


def _others(question: str, tools: Toolbox) -> list[Intent]:
    """Find the tools that sentences of the question name, except those of the scenarios."""
    calls = [
        Call.of(name, **fill_arguments(function, sentence, {}))
        for name, function in tools.functions.items()
        for sentence in SENTENCE.split(question)
        if name not in map(tools.tool, SCENARIOS) and mentions(sentence, function)
    ]
    return [Intent("other", [call], tools.tell(call)) for call in calls]


def _notes(topic: str, tools: Toolbox) -> Intent:
    """Quote the best passage in the language of the answer, and name the others."""
    call = tools.call("notes", topic)
    hits = tools.result(call, "hits")
    if not isinstance(hits, list) or not all(isinstance(hit, dict) and hit.get("passage") for hit in hits):
        return Intent("notes", [call], tools.tell(call))
    if not hits:
        return Intent("notes", [call], tools.say("nothing_found", topic=topic))
    best, *others = [hit for hit in hits if hit.get("language") == tools.language] or hits
    titles = dict.fromkeys(str(hit["title"]) for hit in others if hit.get("title") not in (None, best.get("title")))
    also = [tools.say("also", titles=", ".join(titles))] if titles else []
    return Intent("notes", [call], "\n\n".join([tools.say("found", topic=topic), _quote(best), *also]))


def _quote(hit: dict[str, Any]) -> str:
    title = f"— **{hit['title']}**" if hit.get("title") else ""
    source = f"({hit['source']})" if hit.get("source") else ""
    lines = [*str(hit["passage"]).strip().splitlines(), "", f"{title} {source}".strip()]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _bare(topic: str) -> str:
    """Strip a topic of quotation marks and of words around it."""
    topic = topic.strip(" \"'“”‘’「」『』:")
    shorter = pattern("topics", "around").sub("", topic)
    return topic if shorter == topic else _bare(shorter)
