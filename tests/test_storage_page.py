"""What every page says when what is made here is not kept as people may expect, over AppTest."""

from pathlib import Path

import anyio
import pytest
from streamlit.testing.v1 import AppTest

from benchmarks.harness import wait_until
from components.page.pages import HOME, PAGES
from components.page.texts import texts
from tests.pages import checked, languages, serving, visit
from tests.store_files import DAMAGES, Damage, full_disk, written


def said(app: AppTest) -> str:
    """Return all that stands above the page or its question box."""
    return "\n".join(each.value for kind in (app.markdown, app.caption, app.warning) for each in kind)


# On the other ones as `make soak`: what is told stands above all pages.
SOME = (HOME, "chat", "timeline")
pages = pytest.mark.parametrize(
    "page", [page if page in SOME else pytest.param(page, marks=pytest.mark.soak) for page in PAGES]
)


@languages
@pages
def test_a_damaged_file_is_told_until_it_is_read(tmp_path: Path, language: str, page: str) -> None:
    """On every page, in every session by itself; nobody from elsewhere learns where the file lies."""
    words, path = texts(language), tmp_path / "store.sqlite3"
    anyio.run(written, path, 1)
    DAMAGES[0](path)
    with serving(lab_store=path) as engine:
        for _ in range(2):
            app = visit(page, language)
            assert words["storage.damaged"] in said(app)
            assert words["storage.operator"] in said(app)
            assert str(tmp_path) not in said(app)
        assert engine.hub.notice
        checked(app.button(key="storage.read").click().run())
        assert words["storage.damaged"] not in said(app)
        for other in ("chat", "about"):
            checked(app.switch_page(f"../pages/{other}.py").run())
            assert words["storage.damaged"] not in said(app)
        assert words["storage.damaged"] in said(visit(page, language))
    with serving(lab_store=path):
        assert words["storage.damaged"] not in said(visit(page, language))


@pytest.mark.parametrize("damage", DAMAGES)
def test_any_damage_is_told(tmp_path: Path, damage: Damage) -> None:
    path = tmp_path / "store.sqlite3"
    anyio.run(written, path)
    damage(path)
    with serving(lab_store=path):
        assert texts("en")["storage.damaged"] in said(visit("chat", "en"))


@languages
def test_that_the_file_was_removed_is_told_until_it_is_read(tmp_path: Path, language: str) -> None:
    """Each time anew."""
    words, path = texts(language), tmp_path / "store.sqlite3"
    with serving(lab_store=path) as engine:
        app, seen = visit("chat", language), [engine.hub.notice]
        for _ in range(2):
            assert words["storage.gone"] not in said(app)
            path.unlink()
            wait_until(lambda: engine.hub.notice is not seen[-1], 10.0)
            seen.append(engine.hub.notice)
            assert words["storage.gone"] in said(checked(app.run()))
            checked(app.button(key="storage.read").click().run())


@languages
@pages
def test_that_nothing_is_kept_is_told_quietly(tmp_path: Path, language: str, page: str) -> None:
    """Where the folder takes no file; also to who goes on to another page."""
    (tmp_path / "file").write_text("no folder")
    with serving(lab_store=tmp_path / "file" / "store"):
        app = visit(page, language)
        for _ in range(2):
            (line,) = [each.value for each in app.caption if texts(language)["storage.unwritable"] in each.value]
            assert texts(language)["storage.operator"] in line
            assert str(tmp_path) not in said(app)
            checked(app.switch_page("../pages/about.py").run())


def test_a_full_disk_at_start_is_told_as_well(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "store.sqlite3"
    with full_disk(path, 100), serving(lab_store=path):
        assert texts("en")["storage.unwritable"] in said(visit("chat", "en"))


@languages
def test_who_wants_nothing_kept_is_told_nothing(tmp_path: Path, language: str) -> None:
    """Nor is anything said where all is well."""
    for store in ("memory:", tmp_path / "store.sqlite3"):
        with serving(lab_store=store):
            app = visit("chat", language)
            assert not [
                text for key, text in texts(language).items() if key.startswith("storage.") and text in said(app)
            ]
