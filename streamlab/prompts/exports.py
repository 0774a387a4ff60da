"""A comparison's results as CSV and Markdown."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping

from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.prompts.results import CRITERIA, TIME_DIGITS, Cell, Criterion, SummaryRow, summary
from streamlab.text.tables import harmless, inline, markdown_table

_OUTCOMES = {True: "passed", False: "failed", None: "undecided"}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


_COLUMNS: dict[str, Callable[[Variant, Cell], str | float | None]] = {
    "variant": lambda variant, cell: variant.name,
    "case": lambda variant, cell: cell.case + 1,
    "repeat": lambda variant, cell: cell.repeat + 1,
    "status": lambda variant, cell: cell.status,
    "code": lambda variant, cell: cell.code or "",
    "ttft_seconds": lambda variant, cell: _rounded(cell.ttft, 4),
    "total_seconds": lambda variant, cell: _rounded(cell.total, 4),
    "input_tokens": lambda variant, cell: cell.input_tokens,
    "output_tokens": lambda variant, cell: cell.output_tokens,
    "tokens_estimated": lambda variant, cell: "yes" if cell.estimated else "no",
    "cost_usd": lambda variant, cell: _rounded(cell.cost, 8),
    "thumb": lambda variant, cell: cell.thumb or "",
    "model": lambda variant, cell: variant.model,
    "temperature": lambda variant, cell: variant.temperature,
    "text": lambda variant, cell: cell.text,
}


def to_csv(prompts: PromptSet, cells: Iterable[Cell]) -> bytes:
    """Write a row for each cell, with its case's values and a column for each check (`passed`, `failed`, `undecided`).

    UTF-8 with a byte order mark, by which Excel knows the encoding; CRLF, as RFC 4180 has it; cases and repeats are
    counted from 1. A text that a spreadsheet would take for a formula (OWASP's list: `= + - @`, tab, line end, and
    their full-width forms) begins with an apostrophe, and every text is quoted.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    columns = [f"input: {name}" for name in prompts.columns]
    checks = [f"check {number}: {check.type}" for number, check in enumerate(prompts.checks, start=1)]
    writer.writerow(map(harmless, [*_COLUMNS, *columns, *checks]))
    for cell in cells:
        writer.writerow([harmless(value) if isinstance(value, str) else value for value in _fields(prompts, cell)])
    return out.getvalue().encode("utf-8-sig", "replace")


def _fields(prompts: PromptSet, cell: Cell) -> list[str | float | None]:
    variant, case = prompts.variants[cell.variant], prompts.inputs()[cell.case]
    return [
        *(value(variant, cell) for value in _COLUMNS.values()),
        *(case[name] for name in prompts.columns if name in case),
        *(_OUTCOMES[verdict.passed] for verdict in cell.verdicts),
        *[""] * (len(prompts.checks) - len(cell.verdicts)),
    ]


def to_markdown(prompts: PromptSet, cells: Iterable[Cell], words: Mapping[str, str]) -> str:
    """Write the summary as one table, the answers as another. `words` has a text for each of `MARKDOWN_WORDS`."""
    found = list(cells)
    names = [variant.name for variant in prompts.variants]
    rows = [_summary_line(row, words) for row in summary(prompts, found)]
    answers = [_answer_line(prompts, cell) for cell in found]
    head = [words[word] for word in ("case", "repeat", "variant", "status", "answer")]
    parts = (
        f"## {inline(words['summary'])}",
        markdown_table([words["criterion"], *names], rows),
        f"## {inline(words['all_answers'])}",
        markdown_table(head, answers),
    )
    return "\n\n".join(parts) + "\n"


MARKDOWN_WORDS: tuple[str, ...] = (
    "summary",
    "all_answers",
    "criterion",
    "case",
    "repeat",
    "variant",
    "status",
    "answer",
    "wins",
    "unknown",
    *CRITERIA,
)


def _summary_line(row: SummaryRow, words: Mapping[str, str]) -> list[str]:
    cells = []
    for index, (value, count) in enumerate(zip(row.values, row.counts, strict=True)):
        if value is None:
            cells.append(words["unknown"])
            continue
        wins = f" {words['wins']}" if index in row.winners else ""
        cells.append(f"{_figure(row.criterion, value)} (n={count}){wins}")
    return [words[row.criterion], *cells]


def _figure(criterion: Criterion, value: float) -> str:
    match criterion:
        case "ttft" | "total" | "total_range":
            return f"{value:.{TIME_DIGITS}f} s"
        case "good" | "passed" | "failed":
            return f"{value:.0%}"
        case "cost":
            return f"US${value:.6f}"
        case _:
            return f"{value:g}"


def _answer_line(prompts: PromptSet, cell: Cell) -> list[str]:
    status = f"{cell.status} ({cell.code})" if cell.code else cell.status
    return [str(cell.case + 1), str(cell.repeat + 1), prompts.variants[cell.variant].name, status, cell.text]
