"""The notebook with its kernel, and the commands of the examples' READMEs."""

import json
import re
import shutil
import subprocess

import nbformat
import pytest
from nbclient import NotebookClient

from examples.program import SENTENCES
from tests.programs import EXAMPLES, LIMIT, ROOT, environment


def notebook() -> nbformat.NotebookNode:
    text = (EXAMPLES / "notebook.ipynb").read_text("utf-8")
    book: nbformat.NotebookNode = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]  # as it is
    return book


def test_the_notebook_is_kept_clean() -> None:
    """Valid, without outputs of anyone's run; a Japanese line stands under each heading."""
    book = notebook()
    nbformat.validate(book)
    assert (book.nbformat, book.nbformat_minor) == (4, 5)
    assert len({cell.id for cell in book.cells}) == len(book.cells)
    for cell in book.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
        else:
            heading, beneath, *_ = cell.source.splitlines()
            assert heading.startswith("#")
            assert re.search("[ぁ-んァ-ヶ]", beneath)


@pytest.mark.soak
def test_the_notebook_runs() -> None:
    """From top to bottom in a kernel, whose loop runs already, without a key. Its errors are those that it shows."""
    book = notebook()
    NotebookClient(book, timeout=LIMIT, resources={"metadata": {"path": str(EXAMPLES)}}).execute()
    printed, result = {}, {}
    for cell in book.cells:
        outputs = cell.get("outputs", [])
        printed[cell.id] = "".join(each.text for each in outputs if each.get("name") == "stdout")
        result[cell.id] = "".join(each.data["text/plain"] for each in outputs if each.output_type == "execute_result")
    assert "## What streaming" in printed["stream"]
    assert result["join"].endswith(f", {len(printed['stream'])})")
    assert "ストリーミングとは" in printed["join-messages"]
    assert result["join-messages"] == "'stop'"
    assert "## Backpressure" in printed["astream"]
    assert {"streaming", "ストリーミング"} <= set(printed["two"].split())
    assert "ストリーミングとは" in printed["program-answer"]
    assert "chunks, the first after" in result["program-answer"]
    topics = [json.loads(line)["topic"] for line in printed["program-main"].splitlines()]
    assert (topics, result["program-main"]) == (["streaming", "backpressure"], "0")
    assert printed["errors-cut"].strip().endswith("ConnectionError")
    assert len(result["errors-cut"]) > 10
    assert SENTENCES["auth"] in result["errors-key"]


def commands(readme: str) -> list[str]:
    return re.findall(r"^    (python .+)$", (EXAMPLES / readme).read_text("utf-8"), re.MULTILINE)


def test_the_readmes_show_the_same_commands() -> None:
    """Both were tried, for one of them is run below."""
    assert commands("README.md") == commands("README.ja.md") != []


@pytest.mark.soak
@pytest.mark.skipif(not shutil.which("sh"), reason="the commands are run as a shell reads them")
@pytest.mark.parametrize("line", [line for line in commands("README.md") if "openai_client" not in line])
def test_the_commands_of_the_readme_work(line: str) -> None:
    """As they stand there. The one that shows a fault ends with 1; the one that asks a server has tests of its own."""
    ended = subprocess.run(
        line, cwd=ROOT, env=environment(), shell=True, capture_output=True, text=True, encoding="utf-8", timeout=LIMIT,
        check=False,
    )  # fmt: skip
    assert ended.returncode == ("fault=" in line), ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stdout) > 50
