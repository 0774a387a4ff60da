"""What the demo model says. Nothing but the request and the seed decide on the answer."""

import json
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from random import Random
from typing import Any, Literal

from streamlab.demo_model.chunks import synthetic
from streamlab.demo_model.notes import Language, find_topic, phrases, topics
from streamlab.demo_model.options import Options
from streamlab.demo_model.request import ChatRequest
from streamlab.demo_model.schema import SchemaFiller
from streamlab.demo_model.subjects import find_subjects
from streamlab.demo_model.tool_use.calls import Call
from streamlab.demo_model.tool_use.turn import take_turn
from streamlab.text.tokens import estimate_tokens

JAPANESE = re.compile(r"[ぁ-ゖァ-ヺー一-鿿]")
IN_LANGUAGE = re.compile(r"\b(?:in|use|speak|write) (?:japanese|english)\b|(?:日本語|英語)(?:で|のみ|だけ)", re.I)
BRIEF = re.compile(r"\b(?:short|brief|briefly|concise|concisely|one sentence)\b|簡潔|短く|手短|一文で", re.I)
GREETING = re.compile(r"\s*(?:hi|hello|hey|good (?:morning|afternoon|evening))\b|こんにちは|こんばんは|おはよう", re.I)
THANKS = re.compile(r"\b(?:thanks|thank you)\b|ありがとう|助かりました", re.I)
FOLLOW_UP = re.compile(
    r"\b(?:more|go on|continue|examples?|details?|elaborate|next)\b"
    r"|もっと|続き|続けて|例は|例を|例え|具体|詳し|他に|次は",
    re.I,
)
HELP = re.compile(
    r"^\s*help\b[\s!.?]*$|\bwhat (?:can|do|could) (?:you|i) (?:do|know|answer|ask)\b|\bhow can you help\b"
    r"|\b(?:which|what|list) (?:of )?(?:\w+ )?topics\b"
    r"|^\s*(?:ヘルプ|使い方)|何が?できま|何を(?:聞|尋|質問)|できること|(?:話題|トピック)の?(?:一覧|リスト)|どんな(?:話題|質問)",
    re.I,
)
SMALL_TALK = 30  # characters up to which a message may be a greeting, thanks or a follow-up

Finish = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Calls have results to come: the text beside them is no more than a word before the work."""

    text: str
    reasoning: str
    finish: Finish
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of Markdown and what it is about."""

    title: str
    body: str

    @property
    def paragraphs(self) -> list[str]:
        """Return the prose, without headings, lists, tables, formulas and code."""
        blocks = re.sub(r"^```.*?^```", "", self.body, flags=re.M | re.S).split("\n\n")
        return [block.strip() for block in blocks if re.match(r"\s*(?!\d+\.)[^\s#|>$\-<]", block)]

    @property
    def sentences(self) -> list[str]:
        """Return the sentences without markup, except those that announce a list or a table."""
        prose = re.sub(r"[*`]", "", "\n".join(self.paragraphs))
        found = re.findall(r".+?(?:[.!?](?=\s|$)|[。！？]|$)", prose, re.M)
        return [sentence.strip() for sentence in found if not sentence.endswith((":", "："))]


def compose(request: ChatRequest, options: Options) -> Answer:
    language = choose_language(request)
    question = next(reversed(request.texts("user")), "")
    reasoning = phrases(language).reasoning.format(question=question[:80]) if options.reasoning else ""
    turn = None if options.text is not None or options.chunks else take_turn(request, options, language, question)
    if turn and turn.calls:
        return Answer(turn.text, reasoning, "tool_calls", turn.calls)
    told = Passage(question[:80], turn.text) if turn else None
    random = Random(request.seed if options.seed is None else options.seed)
    text, finish = _limit(_text(request, options, language, random, told), request)
    return Answer(text, reasoning, finish)


def choose_language(request: ChatRequest) -> Language:
    """Choose what the instructions or the question ask for, else the script of the question."""
    question = next(reversed(request.texts("user")), "")
    wishes = IN_LANGUAGE.findall("\n".join([*request.texts("system", "developer"), question]))
    if wishes:
        return "en" if re.search("english|英語", wishes[-1], re.I) else "ja"
    return "ja" if JAPANESE.search(question) else "en"


def find_passage(questions: Sequence[str], language: Language) -> tuple[Passage, bool]:
    """Find the answer to the last question, or to what it follows up, and tell whether it comes from the notes."""
    words = phrases(language)
    question = questions[-1] if questions else ""
    place = _locate(questions)
    if find_topic(question) is None and len(question) <= SMALL_TALK:
        if THANKS.search(question):
            return Passage("", words.thanks), False
        if GREETING.match(question):
            return Passage("", words.greeting), False
    titles = "\n".join(f"- {topic.notes[language].title}" for topic in topics())
    if HELP.search(question) and not find_subjects(question):
        return Passage("", words.help.format(topics=titles)), False
    if place is None:
        subject = re.sub(r"[\\`*_\[\]<>|~#$\s]+", " ", next(iter(find_subjects(question)), question)).strip()
        shown = f"{subject[:60]}…" if len(subject) > 60 else subject
        return Passage("", words.unknown.format(topics=titles, subject=shown)), False
    note = topics()[place // 2].notes[language]
    if find_topic(question) is not None and FOLLOW_UP.search(question):
        return Passage(note.title, f"{note.main}\n\n{note.more}"), True
    return Passage(note.title, note.more if place % 2 else note.main), True


def _locate(questions: Sequence[str]) -> int | None:
    """Locate the conversation in the course, in half topics: main part, more, next topic's main part …"""
    place: int | None = None
    for question in questions[-50:]:
        topic = find_topic(question)
        small = len(question) <= SMALL_TALK
        if topic is not None:
            place = 2 * topic
        elif place is not None and small and FOLLOW_UP.search(question):
            place = (place + 1) % (2 * len(topics()))
        elif not (small and (GREETING.match(question) or THANKS.search(question))):
            place = None
    return place


def _text(request: ChatRequest, options: Options, language: Language, random: Random, told: Passage | None) -> str:
    """Write what the tools' results `told`, else the notes."""
    if options.text is not None:
        return options.text
    if options.chunks:
        return synthetic(options.chunks * (options.size or 5), options.paragraph)
    questions = request.texts("user")
    passage, from_notes = (told, False) if told else _passage(request, questions, language)
    if request.response_format and request.response_format.get("type") != "text":
        return json.dumps(_structured(request.response_format, passage, language), ensure_ascii=False)
    if told:
        return told.body
    if from_notes and BRIEF.search("\n".join([*request.texts("system", "developer"), *questions[-1:]])):
        return passage.paragraphs[0]
    if not from_notes:
        return passage.body
    words, choose = phrases(language), itemgetter(0) if request.temperature == 0 else random.choice
    return f"{choose(words.openings)}\n\n{passage.body}\n\n{choose(words.closings)}"


def _passage(request: ChatRequest, questions: Sequence[str], language: Language) -> tuple[Passage, bool]:
    """Say what came with the question, and what the notes say of it if anything."""
    if not request.attached:
        return find_passage(questions, language)
    words = phrases(language)
    listed = "\n".join(
        words.attached_text.format(**each._asdict()) if each.lines else words.attached_image.format(**each._asdict())
        for each in request.attached
    )
    said = words.attached.format(files=listed)
    passage, from_notes = find_passage(questions, language)
    return Passage(passage.title, f"{said}\n\n{passage.body}" if from_notes else said), False


def _structured(response_format: dict[str, Any], passage: Passage, language: Language) -> Any:
    wanted = response_format.get("json_schema")
    schema = wanted.get("schema") if isinstance(wanted, dict) else None
    sentences = passage.sentences
    if isinstance(schema, dict):
        return SchemaFiller(schema, passage.title or sentences[0], sentences).fill()
    return {"topic": passage.title, "answer": " ".join(sentences[:2]), "language": language}


def _limit(text: str, request: ChatRequest) -> tuple[str, Finish]:
    """Cut the text at the first stop sequence or at the token limit, whichever comes first."""
    for stop in filter(None, request.stops):
        text = text.partition(stop)[0]
    limit = request.token_limit
    if limit is None or estimate_tokens(text) <= limit:
        return text, "stop"
    length = bisect_right(range(len(text) + 1), limit, key=lambda length: estimate_tokens(text[:length])) - 1
    return text[:length], "length"
