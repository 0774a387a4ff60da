"""What a question wants from the notes, for `search_notes`."""

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from streamlab.demo_model.notes import Language
from streamlab.demo_model.tool_use.calls import Call, Outcomes
from streamlab.demo_model.tool_use.words import Words

MAX_PASSAGE = 1_000  # characters

NOTES = r"(?:the |our |my |your |these )?notes?"
ABOUT = r"(?: about| on| to say about)?"
SEARCH = r"(?:search|check|consult|browse|read|look|go)(?: up| in| into| through)*"
VERBS = r"comput|calculat|work|what|how|show|compare|which|tell|give|list"
# Up to the end of the clause, or to where the question goes on to something else.
TOPIC = rf"(?P<topic>.+?)(?=\s*(?:[.?!;,]\s|[.?!;]|,?\s(?:and|then|but)\s(?:\w+ )?(?:{VERBS})|$))"
TOPIC_JA = r"(?P<topic>[^、。?!;\n]+?)"
REST_JA = r"[^、。?!;\n]*?"
ABOUT_JA = r"について|に関して|に関する"

IN_NOTES = [
    re.compile(pattern, re.I)
    for pattern in (
        rf"\b{SEARCH} {NOTES} (?:for|about|on)\s{TOPIC}",
        rf"\bwhat (?:do|does|did|can) {NOTES} (?:say|tell|have|mention|explain)(?: us| me)?{ABOUT}\s{TOPIC}",
        rf"\b(?:look up|look for|search for|search|find)\s(?P<topic>.+?) (?:up )?in {NOTES}\b",
        rf"\b(?:according to|in) {NOTES},?\s{TOPIC}",
        rf"\bnotes? (?:on|about)\s{TOPIC}",
        rf"{TOPIC_JA}(?:{ABOUT_JA}|のこと)[をはの]?、?\s*{REST_JA}ノート{REST_JA}(?=[。?!]|$|、)",
        rf"{TOPIC_JA}(?:とは|って|は)何{REST_JA}[、。?]\s*ノート{REST_JA}(?=[。?!]|$|、)",
        rf"ノート(?:を(?:調べ|検索し|見|確認し)て|の中から|[でからにはを])*、?\s*{TOPIC_JA}(?:{ABOUT_JA}|の説明|の意味|を|とは)+"
        rf"{REST_JA}(?:調べ|検索|探|書|教え|何と|見つけ|ある|あり)\w*",
    )
]
ANYWHERE = [
    re.compile(rf"\b(?:look up|search for|search)\s{TOPIC}", re.I),
    re.compile(rf"{TOPIC_JA}(?:の意味|の定義|とは何か|が何か|とは|について)?[をも]?\s*(?:調べ|検索し)\w*"),
]
FILLER = re.compile(
    r"^(?:(?:any|some|every)thing|information|the (?:passages?|notes?|part)|passages?) (?:about|on)\s+"
    r"|^(?:the )?(?:meaning|definition) of\s+|^(?:what|how|who)\s+(?=.* (?:means?|is|are|works?|stands for)$)"
    r"|(?<=\w) (?:means?|is|are|works?|stands for)$|^(?:the|an?)\s+"
    r"|(?:の意味|の定義|とは)$|(?<=.)すること$|^ノート[でをからにの]*$",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Lookup:
    lead: ClassVar = "lead_lookup"
    stepwise: ClassVar = False

    topic: str
    language: Language

    @property
    def call(self) -> Call:
        return Call.of("search_notes", query=self.topic)

    def calls(self, done: Outcomes) -> list[Call]:
        return [self.call]

    def tell(self, done: Outcomes, words: Words) -> str:
        hits = self._hits(done)
        if hits is None:
            return words.trouble(self.call, done)
        if not hits:
            return words.say("nothing_found", topic=self.topic)
        best, *others = hits
        titles = dict.fromkeys(hit.get("title") for hit in others if hit.get("title") != best.get("title"))
        also = words.say("also", titles=", ".join(map(str, filter(None, titles)))) if any(titles) else ""
        return "\n\n".join(filter(None, [words.say("found", topic=self.topic), _quote(best), also]))

    def _hits(self, done: Outcomes) -> list[dict[str, Any]] | None:
        """Those in the language of the question, or else all; None when there is no readable result."""
        outcome = done.get(self.call)
        hits = outcome.value.get("hits") if outcome and not outcome.error else None
        if not isinstance(hits, list) or not all(isinstance(hit, dict) and hit.get("passage") for hit in hits):
            return None
        return [hit for hit in hits if hit.get("language") == self.language] or hits


def read_lookup(question: str, language: Language) -> tuple[Lookup | None, str]:
    """What to look up, and the rest of the question. Without a word about notes it may be something else."""
    for pattern in IN_NOTES:
        if match := pattern.search(question):
            return _lookup(match, language)
    return None, question


def read_other_lookup(question: str, language: Language) -> tuple[Lookup | None, str]:
    """What to look up in a question that does not say where."""
    for pattern in ANYWHERE:
        if match := pattern.search(question):
            return _lookup(match, language)
    return None, question


def _lookup(match: re.Match[str], language: Language) -> tuple[Lookup | None, str]:
    topic = match["topic"].strip(" \"'“”‘’「」『』:")
    while (shorter := FILLER.sub("", topic)) != topic:
        topic = shorter
    rest = f"{match.string[: match.start()]} {match.string[match.end() :]}"
    return (Lookup(topic, language), rest) if topic else (None, match.string)


def _quote(hit: dict[str, Any]) -> str:
    passage = _shorten(str(hit["passage"]).strip())
    origin = " ".join(filter(None, [f"— **{hit['title']}**" if hit.get("title") else "", _source(hit)]))
    return "\n".join(f"> {line}".rstrip() for line in [*passage.splitlines(), "", origin])


def _shorten(passage: str) -> str:
    """To whole paragraphs where there are any, and never within a block of code."""
    if len(passage) <= MAX_PASSAGE:
        return passage
    text = passage[:MAX_PASSAGE].rpartition("\n\n")[0] or passage[:MAX_PASSAGE]
    if text.count("```") % 2:
        text = text.rpartition("```")[0]
    return text.rstrip() + "\n\n…"


def _source(hit: dict[str, Any]) -> str:
    return f"({hit['source']})" if hit.get("source") else ""
