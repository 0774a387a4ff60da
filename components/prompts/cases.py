"""The cases of a set: their table, and the file or text that they are read from."""

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from components.page.session import session
from components.page.texts import plain, t
from components.page.uploads import MB, tell_too_slow, uploader
from components.page.widgets import control
from components.prompts.draft import Draft, draft
from components.prompts.left_out import left_out_lines
from streamlab.prompts.cases import MAX_BYTES, BrokenCases, CasesRemark, Table, read_cases
from streamlab.prompts.rows import DELIMITERS, NO_DELIMITER
from streamlab.text.encodings import ENCODINGS
from streamlab.text.reader import TooSlow, read_apart

PASTED, UPLOADED = "prompts.pasted", "prompts.uploaded"
SHOWN = 10  # rows and columns that are named; there may be hundreds

_DELIMITER_NAMES = {"\t": "tab", ";": "semicolon", "|": "pipe", ",": "comma", NO_DELIMITER: "none"}


def draw(found: Draft) -> None:
    if not found.columns:
        st.info(t("prompts.no_columns"), icon=":material/info:")
    else:
        _draw_table(found)
    with st.popover(t("prompts.csv"), icon=":material/table:"):
        st.caption(t("prompts.csv_what"))
        st.text_area(t("prompts.pasted"), key=PASTED, height=150)
        st.button(t("prompts.take_pasted"), key="prompts.take_pasted", on_click=_take_pasted)
        uploader(t("prompts.uploaded"), ["csv", "tsv", "txt"], UPLOADED, _take_uploaded, MAX_BYTES // MB)
    if found.source is not None:
        _draw_source(found, found.source)


def _draw_table(found: Draft) -> None:
    key = f"prompts.cases.{found.version}"
    if key not in st.session_state and found.table != found.cases:  # back from another page, which ended its edits
        found.replace_cases(found.cases)
        key = f"prompts.cases.{found.version}"
    frame = pd.DataFrame(list(found.table), columns=list(found.columns), dtype=str)
    edited = st.data_editor(frame, key=key, num_rows="dynamic", hide_index=True, height="content")
    rows = edited.fillna("").astype(str).to_dict("records")
    found.cases = tuple({str(name): value for name, value in row.items()} for row in rows)
    st.caption(t("prompts.cases_count", number=len(found.cases)))


def _draw_source(found: Draft, source: bytes | str) -> None:
    """Tell how the cases were read, and let that be corrected."""
    with st.container(border=True):
        if isinstance(found.read_as, Table):
            st.markdown(_read_as_text(found.read_as))
            if not found.read_as.certain:
                st.markdown(t("prompts.read_as_guess"))
            for line in (*map(_remark_text, found.read_as.remarks), *left_out_lines(found.read_as.left_out)):
                st.caption(line)
        else:
            st.markdown(t("prompts.not_read"))
            if found.read_as:
                st.caption(t("prompts.encoding_tried", encoding=ENCODINGS[found.read_as]))
        with st.container(horizontal=True):
            encodings, delimiters = ("", *ENCODINGS), ("", *DELIMITERS, NO_DELIMITER)
            if isinstance(source, bytes):
                control(
                    "prompts.encoding", st.selectbox, encodings, format_func=_encoding_name, on_change=_read, width=260
                )
            control(
                "prompts.delimiter", st.selectbox, delimiters, format_func=_delimiter_name, on_change=_read, width=260
            )


def _read_as_text(table: Table) -> str:
    return t(
        "prompts.read_as",
        encoding=ENCODINGS.get(table.encoding or "", t("prompts.pasted_text")),
        delimiter=_delimiter_name(table.delimiter),
        rows=len(table.rows),
        columns=_shortened([f"**{plain(name)}**" for name in table.columns]),
    )


def _remark_text(remark: CasesRemark) -> str:
    rows, names = _shortened(list(map(str, remark.rows))), _shortened(list(map(plain, remark.names)))
    return t(f"prompts.remark_{remark.code}", rows=rows, names=names)


def _shortened(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (" …" if len(names) > SHOWN else "")


def _encoding_name(encoding: str) -> str:
    return ENCODINGS[encoding] if encoding else t("prompts.automatic")


def _delimiter_name(delimiter: str) -> str:
    if not delimiter:
        return t("prompts.automatic")
    name = _DELIMITER_NAMES.get(delimiter)
    return t(f"prompts.delimiter_{name}") if name else delimiter


def _take_pasted() -> None:
    if _take(st.session_state[PASTED]):
        st.session_state[PASTED] = ""


def _take_uploaded() -> None:
    if file := st.session_state[UPLOADED]:
        _take(file.getvalue())


def _take(source: bytes | str) -> bool:
    """Read another source, as it seems to be."""
    draft().source = source
    st.session_state.update({"prompts.encoding": "", "prompts.delimiter": ""})
    return _read()


def _read() -> bool:
    """Read the source as is chosen, and return True; a broken one sets a notice and changes no case."""
    found = draft()
    encoding, delimiter = (st.session_state.get(f"prompts.{name}") or None for name in ("encoding", "delimiter"))
    try:
        table = read_apart(read_cases, found.source or "", encoding, delimiter)
    except TooSlow:
        found.source = None
        tell_too_slow()
        return False
    except BrokenCases as error:
        found.read_as = error.encoding or encoding
        if error.code == "too_large":  # nothing is kept of what could be of any size
            found.source = None
        row, got, expected = error.row or 1, error.got or 0, error.expected or 0
        session().notice = t(f"prompts.csv_{error.code}", row=row, got=got, expected=expected, name=plain(error.name))
        return False
    found.read_as = table
    found.take_table(table)
    return True
