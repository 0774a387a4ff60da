"""What a prompt is about: the text that it was filled with, as far as its words show that, and not its instructions."""

import re

LOOKED_AT = (
    1_000  # characters at either end of a prompt, where its instructions are; the cues take the time of a square
)

# How an answer is to be: none of these words says what it is to be about.
_INSTRUCTIONS = re.compile(
    r"""
    \b(?:in|into|to|from|using|use|with|speak|write)\s(?:\w+\s){0,2}
      (?:japanese|english|languages?|kanji|hiragana)\b(?!\smodel)
    | \b(?:\d+|few|fewer|most|least|under|within|than|short|max(?:imum)?|exceed(?:ing)?)\s(?:\w+\s){0,2}
      (?:characters?|tokens?|words?|pieces?)\b
    | \b(?:a|an|one|this|short|new)\s(?:\w+\s)?piece\b
    | \b(?:step\sby\sstep|chain\sof\sthought|reading\s(?:level|age)|(?:without|no)\s(?:any\s)?errors?)\b
    | \b(?:style|tone|format|length|language|audience|role|persona|reader)\s*:[^\n.;]*
    | (?:日本語|英語|漢字|ひらがな)(?:のみ|だけ)?(?:で|に|のまま)
    | \d{1,6}\s?(?:文字|字|語|トークン)(?:以内|以下|程度|前後|まで)?
    | (?:口調|文体|形式|長さ|文字数|言語|対象|読者|役割)\s*[:：][^\n。]*
    """,
    re.IGNORECASE | re.VERBOSE,
)

# Where the subject stands: in quotes, after a colon, after what announces it, or before the particle of a request.
_SUBJECTS = (
    re.compile(r"[\"“]([^\"“”\n]+)[\"”]|[「『]([^」』\n]+)[」』]|<(\w+)>(?P<tagged>.+?)</\3>", re.DOTALL),
    re.compile(r"[:：]\s+(\S.*)|：(\S.*)", re.DOTALL),
    re.compile(r"(?:\bfollowing|\bbelow|次の|以下)[^\n]*\n+(\S.*)", re.DOTALL | re.IGNORECASE),
    re.compile(
        r"\b(?:about|regarding|concerning|called|named|on the (?:topic|subject) of"
        r"|(?:description|summary|explanation|definition|meaning|overview|introduction|examples?|analogy|analogies"
        r"|think|opinion|importance|role|poem|story|essay|article|slogan|names?|titles?|haiku|quiz|questions?|tagline|advert(?:isement)?)"
        r" (?:of|for|to|on))\s+([^.?!;\n]+?)"
        r"(?=\s+for\s|\s+and\s+(?:do|don't|keep|then|please|use|make)\b|[.?!;\n]|$)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:explain|describe|define|summari[sz]e|translate|paraphrase|rewrite|introduce|discuss|teach|compare"
        r"|what (?:is|are))\s+"
        r"(?!in\b|to\b)(?:(?:the|a|an|this|following|term|word|concept|idea|of|me)\s+)*([^.?!;:\n]+?)"
        r"(?=\s+(?:to|in|for|as|with|using|so|like|into)\s|[.?!;\n]|$)",
        re.IGNORECASE,
    ),
    re.compile(
        r"([^、。：:\n]+?)(?:について|に関して|に関する|とは|って何"
        r"|を(?=[^。\n]{0,20}(?:説明|教え|紹介|解説|要約|翻訳|英訳|和訳|訳|定義|まとめ|たとえ|例え|比べ|書き換え))"
        r"|の(?=(?:説明|要約|意味|商品説明|紹介文|定義|例|概要|俳句|クイズ|キャッチコピー)))"
    ),
)
_POINTERS = re.compile(r"(?:the )?(?:following|text below|above)\b|次の|以下|上の|これ$|this$|it$", re.IGNORECASE)
_FIRST_WORD = re.compile(r"\A\s*[a-z]+\b", re.IGNORECASE)


def find_subjects(prompt: str) -> list[str]:
    """Return the texts that the prompt seems to be about, the surest first; none when it says so in no usual way."""
    looked_at = prompt if len(prompt) <= 2 * LOOKED_AT else f"{prompt[:LOOKED_AT]}\n{prompt[-LOOKED_AT:]}"
    plain = _INSTRUCTIONS.sub(" ", looked_at)
    found = [next(filter(None, reversed(match.groups())), "") for cue in _SUBJECTS for match in cue.finditer(plain)]
    return [text.strip() for text in found if text.strip() and not _POINTERS.match(text.strip())]


def without_instructions(prompt: str, *, imperative: bool) -> str:
    """Return the prompt without what says how to answer; without its first word, too, where that is `imperative`."""
    plain = _INSTRUCTIONS.sub(" ", prompt)
    return _FIRST_WORD.sub(" ", plain, count=1) if imperative else plain
