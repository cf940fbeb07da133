"""Takes the screenshots of the README, of a pre-trained model folder's playground and report, with Chromium.

Needs the extra `test-slow`: `python .github/docs/take_screenshots.py saved_models/mine`
"""

import io
import shutil
import socket
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from keras_mlm.playground.loaded_model import LoadedModel
from keras_mlm.playground.page import build_page, launch_page

IMAGES = Path(__file__).parents[1] / "images"
TEXT = "The old man sat by the [MASK] and read a letter ."


def main(folder: str) -> None:
    """Write the pictures."""
    blocks = build_page([LoadedModel.load(folder)])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = launch_page(blocks, "127.0.0.1", port, wait=False)
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1000, "height": 1040})
        page.goto(address)
        page.get_by_role("textbox", name="Text", exact=True).fill(TEXT)
        page.get_by_role("button", name="Go", exact=True).click()
        page.get_by_role("checkbox", name="letter").check()
        page.get_by_role("table", name="in the place of mask 2").wait_for()
        keep(page, "playground-masks")
        page.set_viewport_size({"width": 1000, "height": 860})
        page.get_by_role("tab", name="Attention").click()
        page.get_by_role("radio", name="lines").check()
        page.get_by_label("Head").click()
        page.get_by_role("option", name="all").click()
        page.get_by_role("img", name="in several heads").wait_for()
        keep(page, "playground-attention")
        report = browser.new_page(viewport={"width": 1000, "height": 860}, color_scheme="dark")
        report.goto(Path(folder, "report.html").absolute().as_uri() + "#curves")
        keep(report, "report")
        browser.close()
    blocks.close()


def keep(page: Page, name: str) -> None:
    """Write what is seen of a page, in 256 colours."""
    page.wait_for_timeout(1000)  # pictures fade in
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(256).save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
