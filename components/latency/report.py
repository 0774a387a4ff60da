"""A measurement as a report: Markdown, its charts as pictures, and the raw observations."""

import io
import zipfile
from itertools import chain

import vl_convert

from components.latency import charts, contrasts, findings
from components.latency.figures import written_table
from components.latency.labels import lane_label, line_label
from components.page.texts import t
from streamlab.latency.measurement import Measurement
from streamlab.latency.observation import write_lines
from streamlab.latency.summary import Summary
from streamlab.text.tables import markdown_table

WIDTH = 720  # pixels of a chart


def report(measurement: Measurement) -> bytes:
    """Build a ZIP archive of `report.md`, the charts that it shows, and `observations.jsonl`."""
    summary, seen = measurement.summary, measurement.observations
    label = lane_label(summary.figures)
    pictures: dict[str, tuple[charts.Chart, str]] = {}
    if any(found.prompt_length for found in summary.figures):
        lines = charts.first_words(summary.figures, line_label(summary.figures))
        pictures["lengths"] = (lines, t("latency.lengths_what"))
    pictures |= {
        "phases": (charts.phases(summary.figures, label), t("latency.phases_what")),
        "gaps": (charts.gaps(seen, summary.figures, label), t("latency.gaps_what")),
        "ttft": (charts.times(seen, summary.figures, label, "ttft"), t("latency.spread_ttft")),
        "e2e": (charts.times(seen, summary.figures, label, "e2e"), t("latency.spread_e2e")),
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as files:
        for name, (chart, _) in pictures.items():
            drawn = chart.properties(width=WIDTH, background="white").to_dict()
            files.writestr(f"charts/{name}.svg", vl_convert.vegalite_to_svg(drawn))
        texts = {name: text for name, (_, text) in pictures.items()}
        files.writestr("report.md", _markdown(measurement, summary, texts))
        files.writestr("observations.jsonl", write_lines(seen))
    return archive.getvalue()


def _markdown(measurement: Measurement, summary: Summary, pictures: dict[str, str]) -> str:
    rows = written_table(summary)
    parts = [
        f"# {t('latency.report_title')}",
        *chain(*contrasts.opening(summary)),
        *findings.sentences(summary),
        *findings.reader(summary),
    ]
    parts += [f"> {text}" for text in (*findings.doubts(measurement, summary), *findings.noise_reasons(summary))]
    parts += ["\n".join(f"- {text}" for text in (*contrasts.uncertainty(summary), *findings.uncertainty(summary)))]
    parts += [markdown_table(list(rows[0]), [list(row.values()) for row in rows])] if rows else []
    parts += [f"![{text}](charts/{name}.svg)\n\n{text}" for name, text in pictures.items()]
    parts += [t("latency.definitions"), f"## {t('latency.report_how')}", "\n".join(_facts(measurement))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(measurement: Measurement) -> list[str]:
    """List how it was made; of uploaded observations alone, only their number is known."""
    facts: dict[str, object] = {"calls": len(measurement.observations)}
    if plan := measurement.plan:
        facts |= {"models": ", ".join(plan.models), "pairs": plan.pairs, "length": plan.max_tokens or "–"}
        facts |= {"prompt_lengths": ", ".join(f"{length:,}" for length in plan.prompt_lengths) or "–"}
        facts |= {"temperature": plan.temperature, "seed": plan.seed}
    if measurement.made_at:
        facts["made_at"] = measurement.made_at.isoformat(timespec="seconds")
    if machine := measurement.machine:
        facts["machine"] = f"Python {machine.python}, {machine.platform}, {machine.cpus} CPU"
    lines = [f"- {t(f'latency.fact_{name}')}: {value}" for name, value in facts.items()]
    if plan:
        lines += [f"- {t('latency.prompt')}:\n", *(f"  > {line}" for line in plan.prompt.splitlines())]
    return lines
