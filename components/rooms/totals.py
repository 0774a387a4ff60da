"""How far the class is, page by page, without names: for the wall as well as for the teacher."""

import streamlit as st

from components.page.colors import MODEL
from components.page.texts import t
from streamlab.rooms.board import Board

_JS = """
const cell = (row, tag, text) => {
    const made = row.appendChild(document.createElement(tag));
    made.textContent = text;
    return made;
};

export default function({ data, parentElement }) {
    const table = parentElement.querySelector('table');
    table.parentElement.dataset.large = data.large;
    table.caption.textContent = data.caption;
    parentElement.querySelector('p').textContent = data.summary;
    const body = table.tBodies[0];
    body.replaceChildren();
    for (const each of data.rows) {
        const row = body.insertRow();
        cell(row, 'th', each.page).scope = 'row';
        const track = cell(row, 'td', '').appendChild(document.createElement('b'));
        track.appendChild(document.createElement('i')).style.width = `${100 * each.share}%`;
        cell(row, 'td', each.done);
        cell(row, 'td', each.here);
    }
}
"""
_CSS = f"""
table {{ width: 100%; border-collapse: collapse; color: var(--st-text-color); font: 1rem var(--st-font); }}
[data-large=true] {{ font-size: clamp(1rem, 1.9vw, 2.2rem); }}
[data-large=true] table {{ font-size: inherit; }}
p {{ margin: 0; padding: 0.3em; color: var(--st-text-color); font: 600 1.2em var(--st-font); }}
p:empty {{ display: none; }}
caption {{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }}
th, td {{ padding: 0.3em 0.5em; border-top: 1px solid var(--st-border-color); text-align: start; font-weight: 400; }}
th {{ font-weight: 600; white-space: nowrap; }}
td {{ font-variant-numeric: tabular-nums; white-space: nowrap; }}
td:nth-child(2) {{ width: 99%; }}
b {{ display: block; border-radius: 0.2em; background: var(--st-border-color); }}
i {{ display: block; height: 0.7em; border-radius: 0.2em; background: {MODEL}; }}
@media (max-width: 30rem) {{ td:nth-child(2) {{ display: none; }} }}
"""
_HTML = "<div><p></p><table><caption></caption><tbody></tbody></table></div>"
_component = st.components.v2.component("room_totals", html=_HTML, css=_CSS, js=_JS)


def draw_totals(board: Board, pages: list[str], summary: str = "") -> None:
    """Draw for each page how many have done its task and how many are there; large, with a summary, for the wall."""
    people = board.present
    rows = []
    for page in pages:
        done, here = sum(page in person.done for person in people), sum(person.page == page for person in people)
        rows.append(
            {
                "page": t(f"{page}.title"),
                "share": done / len(people) if people else 0,
                "done": t("room.done_of", done=done, all=len(people)),
                "here": t("room.here", here=here) if here else "",
            }
        )
    data = {"rows": rows, "large": bool(summary), "summary": summary, "caption": t("room.totals")}
    _component(key="room.totals", data=data)
