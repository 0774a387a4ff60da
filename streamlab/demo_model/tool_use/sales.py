"""Answers about sales, by `query_sales`; a share of the total takes `calculate` as well."""

import re
from dataclasses import dataclass
from typing import ClassVar

from streamlab.demo_model.notes import Language
from streamlab.demo_model.tool_use.calls import Call, Outcomes
from streamlab.demo_model.tool_use.findings import Finding, Row
from streamlab.demo_model.tool_use.queries import Query, read_queries
from streamlab.demo_model.tool_use.sums import result
from streamlab.demo_model.tool_use.words import Words

SHARE = re.compile(
    r"\b(?:what|which|its|their|whose|'s|market) share\b|\bshare (?:of|is|does|did)\b|percentage|proportion"
    r"|what percent|割合|シェア|比率|構成比|占め|何(?:%|パーセント)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Sales:
    """Several queries are a comparison. A share is that of the best group, or of the only period."""

    lead: ClassVar = "lead_sales"

    queries: list[Query]
    share: bool

    @property
    def stepwise(self) -> bool:
        return self.share

    def calls(self, done: Outcomes) -> list[Call]:
        queries = [*self.queries, self.queries[0].whole] if self.share else self.queries
        failed = [query.simpler for query in queries if query.call in done and done[query.call].error]
        share = self._share(done)
        return [*(query.call for query in queries), *failed, *([share] if share else [])]

    def tell(self, done: Outcomes, words: Words) -> str:
        findings = [Finding(query, done) for query in self.queries]
        compared = len(findings) > 1 and not self.queries[0].group
        parts = [_compare(findings, words)] if compared else [finding.tell(words) for finding in findings]
        if any(finding.simplified for finding in findings):
            parts.append(words.say("simpler"))
        if self.share:
            parts.append(self._tell_share(done, words))
        return "\n\n".join(dict.fromkeys(filter(None, parts)))

    def _share(self, done: Outcomes) -> Call | None:
        """Once both results are there."""
        part, whole = self._part_and_whole(done)
        if not self.share or not part.top or not whole.top or not whole.top[-1]:
            return None
        return Call.of("calculate", expression=f"{part.top[-1]} / {whole.top[-1]} * 100")

    def _tell_share(self, done: Outcomes, words: Words) -> str:
        part, whole = self._part_and_whole(done)
        call = self._share(done)
        if call is None:
            return whole.trouble(words)
        share = result(call, done)
        if not isinstance(share, int | float):
            return words.trouble(call, done)
        return words.say("share", part=part.name(words), share=f"{share:.1f}", total=whole.value(words))

    def _part_and_whole(self, done: Outcomes) -> tuple[Finding, Finding]:
        return Finding(self.queries[0], done), Finding(self.queries[0].whole, done)


def read_sales(question: str, language: Language) -> Sales | None:
    queries = read_queries(question, language)
    if not queries:
        return None
    shares = len(queries) == 1 and queries[0] != queries[0].whole and queries[0].measure != "average_order"
    return Sales(queries, shares and bool(SHARE.search(question)))


def _compare(findings: list[Finding], words: Words) -> str:
    found = [finding for finding in findings if finding.top]
    measure = findings[0].query.measure
    rows = [[finding.name(words), finding.top[-1]] for finding in found if finding.top]
    table = words.table(["period", measure], rows) if rows else ""
    parts = [_difference(rows, measure, words), *(finding.trouble(words) for finding in findings), table]
    return "\n\n".join(filter(None, parts))


def _difference(rows: list[Row], measure: str, words: Words) -> str:
    """Of two, how far the second is from the first; of more, or without a first, which is best."""
    label = words.label(measure)
    if len(rows) < 2:
        return ""
    if len(rows) > 2 or not rows[0][1]:
        place, value = max(rows, key=lambda row: row[-1])
        return words.say("best", measure=label, place=place, value=words.amount(value, measure))
    (first, before), (second, after) = rows
    key = "equal" if after == before else "more" if after > before else "less"
    by, percent = words.amount(abs(after - before), measure), f"{abs(after - before) / before * 100:.1f}"
    return words.say(key, measure=label, first=first, second=second, by=by, percent=percent)
