"""Questions about sales as SQL."""

import re
from dataclasses import dataclass

from streamlab.demo_model.notes import Language
from streamlab.demo_model.tool_use.calls import Call
from streamlab.demo_model.tool_use.periods import Period, read_periods
from streamlab.demo_model.tool_use.words import words

ABOUT_SALES = re.compile(
    r"\b(?:sales|revenues?|turnover|sold|sells|orders)\b|\b(?:we|you|they) sell\b|\bbest[- ]?sell"
    r"|\b(?:top|best|bottom|worst) (?:\d+ |\w+ )?(?:products|items|regions|categories|months)\b"
    r"|売上|売り上げ|売れ|販売|注文|受注|(?:商品|製品|地域|カテゴリー?)の?(?:トップ|上位|ベスト)|(?:トップ|上位|ベスト)\d*の?(?:商品|製品|地域)",
    re.I,
)
WORST = re.compile(r"\b(?:bottom|worst|least|lowest|fewest|weakest)\b|下位|ワースト|最も少な|最低|売れていない", re.I)
BEST = re.compile(r"\b(?:top|best)\b|\bbest[- ]?sell|トップ|上位|ベスト|売れ筋|人気", re.I)
LIMIT = re.compile(
    r"\b(?:top|best|bottom|worst)[ -](\d+|three|five|ten)\b|(?:トップ|上位|ベスト|下位|ワースト)の?(\d+)", re.I
)
WORD_NUMBERS = {"three": 3, "five": 5, "ten": 10}

GROUPS = {
    "region": re.compile(r"\bregion(?:s|al)?\b|地域|地方|リージョン|エリア", re.I),
    "category": re.compile(r"\bcategor|カテゴリ|分類|種類", re.I),
    "product": re.compile(
        r"\bproducts?\b|\bitems?\b|\bbest[- ]?sell|\bwhat sold\b|商品|製品|品目|売れ筋|何が.*売れ", re.I
    ),
    "month": re.compile(
        r"\bmonthly\b|\b(?:by|per|each|every|which|what|best|worst|top) (?:\d+ )?months?\b|month by month|\btrend"
        r"|月別|月ごと|月次|毎月|各月|どの月|何月|月間|推移",
        re.I,
    ),
    "quarter": re.compile(
        r"\bquarterly\b|\b(?:by|per|each|every|which|what) quarters?\b|quarter by quarter"
        r"|四半期(?:別|ごと)|各四半期|どの四半期",
        re.I,
    ),
}
MEASURES = {
    "order_count": re.compile(
        r"\b(?:how many|number of|count of) orders\b|\border count|注文件?数|受注件?数|注文は?何件|何件", re.I
    ),
    "average_order": re.compile(r"\baverage\b|\bmean order|平均", re.I),
    "units": re.compile(r"\bunits\b|\bquantit|\bhow many\b|\bpieces\b|数量|個数|何個|販売数", re.I),
}

VALUES = {
    "sales": "SUM(amount)",
    "units": "SUM(quantity)",
    "order_count": "COUNT(*)",
    "average_order": "AVG(amount)",
}
KEYS = {
    "region": "region",
    "category": "category",
    "product": "name",
    "month": "substr(ordered_on, 1, 7)",
    "quarter": "'Q' || ((CAST(substr(ordered_on, 6, 2) AS INTEGER) + 2) / 3)",
}
PLAIN_KEYS = {"region": "region", "month": "ordered_on", "quarter": "ordered_on"}  # else the product's id


@dataclass(frozen=True, slots=True)
class Query:
    """One `measure`, in all or by group."""

    measure: str
    group: str | None
    period: Period | None
    limit: int | None
    worst: bool
    language: Language

    @property
    def call(self) -> Call:
        parts = [self._select(KEYS[self.group] if self.group else None)]
        if self.group in ("month", "quarter") and not self.limit:
            parts.append(f"ORDER BY {self.group}")
        elif self.group:
            parts.append(f"ORDER BY {self.measure}" + ("" if self.worst else " DESC"))
        if self.limit:
            parts.append(f"LIMIT {self.limit}")
        return Call.of("query_sales", sql=" ".join(parts))

    @property
    def simpler(self) -> Call:
        """Without joins, functions on the key, order and limit: for when the first one was refused."""
        return Call.of("query_sales", sql=self._select(self.plain_key if self.group else None, plain=True))

    @property
    def whole(self) -> "Query":
        """What a share is a share of: all groups, or else all periods."""
        period = self.period if self.group else None
        return Query(self.measure, None, period, None, False, self.language)

    @property
    def plain_key(self) -> str:
        """The column that the simpler query groups by."""
        return PLAIN_KEYS.get(self.group or "", "product_id")

    def _select(self, key: str | None, *, plain: bool = False) -> str:
        value = f"{VALUES[self.measure]} AS {self.measure}"
        if key == "name" and self.language == "ja":
            key = "name_ja"
        alias = "" if plain or key == self.group else f" AS {self.group}"
        parts = [f"SELECT {key}{alias}, {value}" if key else f"SELECT {value}", "FROM orders"]
        if self.group in ("product", "category") and not plain:
            parts.append("JOIN products ON products.id = product_id")
        if self.period:
            parts.append(f"WHERE ordered_on BETWEEN '{self.period.first}' AND '{self.period.last}'")
        if key:
            parts.append(f"GROUP BY {key if plain else self.group}")
        return " ".join(parts)


def about_sales(text: str) -> bool:
    return bool(ABOUT_SALES.search(text))


def read_queries(question: str, language: Language) -> list[Query]:
    """One for each period that is named."""
    if not about_sales(question):
        return []
    group = _first(GROUPS, question)
    measure = _first(MEASURES, question) or "sales"
    periods: list[Period | None] = [*read_periods(question, words(language))]
    limit = _limit(question, group) if group else None
    worst = bool(group and WORST.search(question))
    return [Query(measure, group, period, limit, worst, language) for period in periods or [None]]


def _first(patterns: dict[str, re.Pattern[str]], question: str) -> str | None:
    return next((name for name, pattern in patterns.items() if pattern.search(question)), None)


def _limit(question: str, group: str) -> int | None:
    if match := LIMIT.search(question):
        count = (match[1] or match[2]).lower()
        return WORD_NUMBERS.get(count) or max(1, int(count))
    return 5 if group == "product" and BEST.search(question) else None
