"""Encodings of a text file: found by marks, by what is valid, and by how plausible the characters are together."""

import codecs
import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

import chardet

# Python's name of each encoding, and the one that people know, in the order in which they are offered.
ENCODINGS = {
    "utf-8": "UTF-8",
    "cp932": "Shift_JIS (CP932)",
    "euc_jp": "EUC-JP",
    "iso2022_jp": "ISO-2022-JP",
    "utf-16-le": "UTF-16LE",
    "utf-16-be": "UTF-16BE",
    "utf-32-le": "UTF-32LE",
    "utf-32-be": "UTF-32BE",
    "cp1252": "Windows-1252",
    "iso8859-15": "ISO-8859-15",
    "mac_roman": "MacRoman",
    "cp1250": "Windows-1250",
    "iso8859-2": "ISO-8859-2",
    "cp1251": "Windows-1251",
    "koi8_r": "KOI8-R",
    "mac_cyrillic": "MacCyrillic",
    "iso8859-5": "ISO-8859-5",
    "cp866": "CP866",
    "cp1253": "Windows-1253",
    "cp1254": "Windows-1254",
    "cp1255": "Windows-1255",
    "cp874": "Windows-874 (TIS-620)",
    "gb18030": "GB18030",
    "big5": "Big5",
    "cp949": "CP949",
}

# Encodings that nothing but their characters tells, each with a handicap: few rooms have a file of the later ones.
_LEGACY = {
    "cp932": 0.0,
    "cp1252": 0.0,
    "euc_jp": 0.05,
    "iso8859-15": 0.12,
    "cp1250": 0.15,
    "mac_roman": 0.16,
    "iso8859-2": 0.2,
    "gb18030": 0.3,
    "big5": 0.3,
    "cp949": 0.3,
    "cp1251": 0.3,
    "cp1254": 0.3,
    "koi8_r": 0.32,
    "cp1253": 0.35,
    "mac_cyrillic": 0.35,
    "cp1255": 0.4,
    "iso8859-5": 0.45,
}
_CHARDET = {
    "shift_jis_2004": "cp932",
    "euc_jis_2004": "euc_jp",
    "mac-roman": "mac_roman",
    "mac-cyrillic": "mac_cyrillic",
}
_CHARDET |= {name.replace("_", "-"): name for name in ("koi8_r",)}
_MARKS = (  # the longer ones first: one of UTF-16 begins one of UTF-32
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MODEL_WEIGHT = 0.4  # of what chardet's models think, beside the oddness of a character
_MAX_ODDNESS = 1.0  # of a character on average; beyond, the bytes are no text in any of the encodings
_SAMPLE = 2_000  # characters, and ten times as many bytes for chardet

# What frequent characters begin with: the first level of JIS, GB 2312 and Big5.
_FREQUENT = {"cp932": (0x88, 0x98), "euc_jp": (0xB0, 0xCF), "gb18030": (0xB0, 0xD7), "big5": (0xA4, 0xC6)}
_PUNCTUATION = set("–—‘’“”«»…€£°·¿¡§½、。「」『』・〜～！？（）：；％，．￥")
_INNER = set("’·・、。（）「」『』！？：；，．")
_OPENING, _CLOSING = set("“‘«¿¡"), set("”»")
_MONEY = set("€£")
_SINGLE = set("àÀéÉèÈêÊóúåÅöÖœŒáíñÑüÜäÄ")  # letters that stand alone in some language
_RARE = set("þðÐÞýÝªºµÿђѓќћџљњјѕЂЃЌЋЏЉЊЈЅ")
_EAST = {"kana", "half", "hangul", "han"}
_ALPHABETS = ((0x250, "latin"), (0x370, ""), (0x400, "greek"), (0x530, "cyrillic"), (0x590, ""), (0x600, "hebrew"))


class UnknownEncoding(ValueError):
    """The bytes are no text in any encoding known here, or not in the one that was asked for.

    `position` is the first byte that is not UTF-8, or not of that one.
    """

    def __init__(self, position: int) -> None:
        super().__init__(f"byte {position}")
        self.position = position


@dataclass(frozen=True, slots=True)
class DecodedText:
    """A text, and Python's name of its encoding. It is `certain` when the bytes could hardly be of another one."""

    text: str
    encoding: str
    certain: bool


def decode(data: bytes, encoding: str | None = None) -> DecodedText:
    """Decode by this encoding of ENCODINGS, or by the one that is found. Raise UnknownEncoding.

    A byte order mark is no part of the text.
    """
    if encoding:
        return DecodedText(_decode(data, encoding), encoding, certain=True)
    for mark, marked in _MARKS:
        if data.startswith(mark):
            return DecodedText(_decode(data, marked), marked, certain=True)
    if b"\x1b$" in data and (text := _try(data, "iso2022_jp")) is not None:
        return DecodedText(text, "iso2022_jp", certain=True)
    if b"\0" in data and (wide := _decode_wide(data)):
        return wide
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        found = None if _is_damaged(data) else _guess(data)
        if not found:
            raise UnknownEncoding(error.start) from None
        return found
    beyond = [character for character in text if character > "\x7f"]
    if len(beyond) > 3 or max(beyond, default="") > "\u07ff" or oddness(text, "utf-8") < 1:
        return DecodedText(text, "utf-8", certain=True)
    # The two bytes of a character of EUC-JP can be a rare one of UTF-8; of other encodings that is far less likely.
    found = _guess(data)
    is_japanese = found is not None and found.encoding == "euc_jp" and oddness(found.text, found.encoding) < 0.5
    return found if found and is_japanese else DecodedText(text, "utf-8", certain=False)


def oddness(text: str, encoding: str) -> float:
    """Return how odd the characters beyond ASCII are where they stand, on average; about 0 for real text.

    A wrong encoding makes capitals, symbols or another script within a word, quotation marks on the wrong side, and
    rare characters.
    """
    places = [match.start() for match in islice(re.finditer(r"[^\0-\x7f]", text), _SAMPLE)]
    padded = f"{text} "
    total = sum(
        _oddness_of(padded[place - 1] if place else " ", text[place], padded[place + 1], encoding) for place in places
    )
    return total / max(len(places), 1)


def _decode(data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnknownEncoding(error.start) from None
    if encoding == "cp932" and (odd := re.search("[\x80\xa0\uf8f0-\uf8f3]", text)):  # bytes that have no character
        raise UnknownEncoding(len(text[: odd.start()].encode("cp932")))
    return text.removeprefix("\ufeff")


def _try(data: bytes, encoding: str) -> str | None:
    with suppress(UnknownEncoding):
        return _decode(data, encoding)
    return None


def _decode_wide(data: bytes) -> DecodedText | None:
    """Decode UTF-16 or UTF-32 without a mark: rows of text hold a delimiter or a line end, and so a NUL byte."""
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        text = _try(data, encoding)
        if text and "\0" not in text and re.search(r"[\n\r]", text) and oddness(text, encoding) < 1:
            return DecodedText(text, encoding, certain=False)
    return None


def _is_damaged(data: bytes) -> bool:
    """Tell whether this is UTF-8 with a few wrong bytes: any other encoding would turn all the rest into rubbish."""
    wrong = data.decode("utf-8", "replace").count("\ufffd")
    right = sum(1 for character in data.decode("utf-8", "ignore") if character > "\x7f")
    return right > 2 * wrong


def _guess(data: bytes) -> DecodedText | None:
    """Choose the most plausible of the encodings in which the bytes are valid; none for what no text holds."""
    if _CONTROL.search(data):
        return None
    sample = b"\n".join(line for line in data.splitlines() if not line.isascii())[: 10 * _SAMPLE]
    likely = _ask_models(sample)
    best: tuple[float, DecodedText] | None = None
    for encoding, handicap in _LEGACY.items():
        if (text := _try(data, encoding)) is None or (odd := oddness(text, encoding)) > _MAX_ODDNESS:
            continue
        cost = odd + handicap + _MODEL_WEIGHT * (1 - likely.get(encoding, 0))
        if best is None or cost < best[0]:
            best = cost, DecodedText(text, encoding, certain=False)
    return best[1] if best else None


def _ask_models(sample: bytes) -> dict[str, float]:
    """Return chardet's confidence in each encoding, as a share of the best one's.

    Its models of the languages tell Japanese from Chinese and Czech from French, but need more text than a short table
    has. Of 143 small tables in 18 encodings, chardet alone reads 109, charset-normalizer 83, and the two criteria 142.
    """
    names = {name: name for name in _LEGACY} | {ours: theirs for theirs, ours in _CHARDET.items()}
    found = chardet.detect_all(
        sample, ignore_threshold=True, include_encodings=names.values(), compat_names=False, prefer_superset=False
    )
    best = max((each["confidence"] for each in found), default=0.0) or 1.0
    likely: dict[str, float] = {}
    for each in found:
        if name := each["encoding"]:
            ours = _CHARDET.get(name, name)
            likely[ours] = max(likely.get(ours, 0), each["confidence"] / best)
    return likely


def _oddness_of(before: str, character: str, after: str, encoding: str) -> float:
    category = unicodedata.category(character)
    if category in ("Cc", "Cn", "Co", "Cs"):
        return 8
    if category[0] not in "LM":
        return _oddness_of_mark(before, character, after)
    script = _script(character)
    neighbours = [each for each in (before, after) if each.isalpha()]
    odd = sum(_oddness_between(script, _script(each), each) for each in neighbours)
    if script in _EAST:
        return odd + _rarity(character, script, encoding) + 0.6 * (script == "half" and not neighbours)
    if not script:
        return odd + 1
    if not neighbours and character not in _SINGLE:
        odd += 0.5
    if character.isupper() and before.isalpha():
        odd += 2 if before.islower() else 0.7 * after.islower()
    if character.islower() and after.isupper():
        odd += 1.5
    odd += 0.9 * (character in _RARE)
    if script == "latin":
        odd += 0.5 * (before > "\x7f" and before.isalpha())
        odd += "\u0180" <= character < "\u0250" and character not in "ƠơƯưȘșȚț"
    return odd


def _oddness_of_mark(before: str, mark: str, after: str) -> float:
    if mark == "\xa0":  # copied from a page
        return 0.1
    if mark not in _PUNCTUATION:
        return 1.5
    left, right = (each.isalpha() and _script(each) not in _EAST for each in (before, after))
    within = before.isalpha() and after.isalpha() and mark not in _INNER
    wrong_side = (mark in _OPENING and left) or (mark in _CLOSING and right) or (mark in _MONEY and (left or right))
    return 1 if within or wrong_side else 0.1


def _oddness_between(script: str, other: str, neighbour: str) -> float:
    if script in _EAST:
        if other == "latin":
            return 0.3 if neighbour.isupper() else 0.8
        return float(
            (script == "half") != (other == "half") or {script, other} in ({"hangul", "han"}, {"hangul", "kana"})
        )
    return 2.0 * (other != script)


def _rarity(character: str, script: str, encoding: str) -> float:
    if script == "kana":  # also in the Chinese sets, where nobody needs them
        return 1.5 if encoding in ("gb18030", "big5", "cp949") else -0.2
    if script == "half":
        return 0.1
    if script == "hangul" or encoding.startswith("utf"):
        return 0
    first, last = _FREQUENT.get(encoding, (0, 0))
    code = character.encode(encoding)
    return (0 if first <= code[0] <= last else 0.7) + 3 * (len(code) > 2)


def _script(character: str) -> str:
    code = ord(character)
    if code < 0x600:
        return next(name for end, name in _ALPHABETS if code < end)
    if 0x3040 <= code < 0x3100:
        return "kana"
    if 0xFF66 <= code <= 0xFF9F:
        return "half"
    if 0xAC00 <= code < 0xD7A4:
        return "hangul"
    if 0x3400 <= code < 0xA000 or 0xF900 <= code < 0xFB00 or code >= 0x20000 or character in "々〆":
        return "han"
    return "latin" if 0x1E00 <= code < 0x1F00 or 0xFF21 <= code <= 0xFF5A else ""
