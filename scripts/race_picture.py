"""`python -m scripts.race_picture`: the READMEs' moving picture, of the race on the first page, in each language."""

import io
import os
import time
from itertools import pairwise

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from benchmarks.harness import ROOT, chromium, free_port, streamlit_server
from components.page.texts import texts
from scripts.pages import LOCALES, WAIT, button, open_page, settle

FILES = {
    language: ROOT / "docs" / "images" / f"race{'' if language == 'en' else '.' + language}.webp"
    for language in LOCALES
}
EVERY = 0.2  # seconds between two frames
STANDS = 3.0  # seconds for which the last one stands
QUALITY = 60  # of 100; the whole stays below 2 MB


def main() -> None:
    os.environ |= {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": "", "LAB_STORE": "memory:", "LAB_LANGUAGE": "auto"}
    os.environ["LAB_GRPC_PORT"] = str(free_port())
    expect.set_options(timeout=WAIT)
    with streamlit_server(ROOT / "app.py") as server, chromium() as browser:
        for language in LOCALES:
            save(frames(browser, server.url, language), language)


def frames(browser: Browser, url: str, language: str) -> list[tuple[float, bytes]]:
    """Race live, and return pictures of the page's upper part with the seconds at which each was taken."""
    words = texts(language)
    with open_page(browser, url, language, "light", {"width": 1280, "height": 620}) as page:
        page.goto(url)
        expect(button(page, words["home.race"])).to_be_visible()
        settle(page)
        button(page, words["home.race"]).click()
        expect(page.get_by_text(words["home.live"], exact=True)).to_be_visible()
        taken = [shot(page)]
        while not button(page, words["home.again"]).is_visible():
            time.sleep(max(0.0, taken[-1][0] + EVERY - time.monotonic()))
            taken.append(shot(page))
        settle(page)
        return [*taken, shot(page)]


def shot(page: Page) -> tuple[float, bytes]:
    clip = page.get_by_test_id("stMainBlockContainer").bounding_box()
    assert clip
    at = time.monotonic()
    return at, page.screenshot(clip={"x": clip["x"], "y": 60, "width": clip["width"], "height": 560})


def save(taken: list[tuple[float, bytes]], language: str) -> None:
    """Write the frames as an animated WebP, each for as long as it stood."""
    pictures = [Image.open(io.BytesIO(data)).convert("RGB") for _, data in taken]
    stood = [after - before for (before, _), (after, _) in pairwise(taken)]
    durations = [round(1_000 * seconds) for seconds in (*stood[:-1], EVERY, STANDS)]
    pictures[0].save(
        FILES[language],
        save_all=True,
        append_images=pictures[1:],
        duration=durations,
        loop=0,
        quality=QUALITY,
        method=4,
    )


if __name__ == "__main__":
    main()
