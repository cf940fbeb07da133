"""What every test shares: quiet TensorFlow, the real text beside the checkout where there is some, a real browser."""

import gc
import json
import os
import random
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import hypothesis
import pytest

# How long an example takes is the machine's matter, and the first of a kind loads a kernel or traces a graph.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

# A process that was started in the background ignores Ctrl-C, and so do its children: the tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Leave what is imported by now out of the search for garbage: 600,000 objects that live as long as the tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(autouse=True)
def float32():
    """Every test, and what is set up for the next one, begins in float32: recipes take what the machine is fast in."""

    def reset() -> None:
        if "keras" in sys.modules:
            sys.modules["keras"].config.set_dtype_policy("float32")

    reset()
    yield
    reset()


SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real text, or a skip that says that it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no folder {SHARED.name} of real text beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def free_ports() -> Callable[[int], list[int]]:
    """A function that finds ports nobody listens at.

    They are below those that the system gives to whoever asks for any, which another process may be given too before
    the one that they are for listens.
    """
    draw = random.SystemRandom()

    def is_free(port: int) -> bool:
        try:
            socket.create_server(("", port)).close()
        except OSError:
            return False
        return True

    def find(number: int) -> list[int]:
        ports: set[int] = set()
        while len(ports) < number:
            ports |= set(filter(is_free, [draw.randrange(20_000, 32_000)]))
        return sorted(ports)

    return find


@pytest.fixture(scope="session")
def nasty_strings():
    return json.loads((Path(__file__).parent / "tokenizers/nasty_strings.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def generated_strings(nasty_strings):
    """3,000 strings of 1 to 60 characters: runs of nasty ones, a script's letters, spaces and any code point."""
    draw = random.Random(20260)
    pool = sorted(set("".join(nasty_strings)))
    scripts = [
        "abcdefghij",
        "ABCXYZ",
        "0123456789",
        "éÈüß",
        "жЖёЁ",
        "σΣΐ",
        "中文字符",
        "のがカ",
        "한글",
        " \t\n",
        ".,!?-…“”",
    ]

    def run():
        kind = draw.random()
        if kind < 0.6:
            return "".join(draw.choices(draw.choice(scripts), k=draw.randint(1, 8)))
        if kind < 0.95:
            return "".join(draw.choices(pool, k=draw.randint(1, 5)))
        code_point = draw.randrange(0x110000 - 0x800)
        return chr(code_point if code_point < 0xD800 else code_point + 0x800)

    return ["".join(run() for _ in range(draw.randint(1, 10))) for _ in range(3000)]


@pytest.fixture(scope="module")
def chromium():
    """Chromium without a window, or a skip that says that nothing was opened in it."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: no page was opened in a browser"
    )
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("Chromium is not installed (apt-get install chromium): no page was opened in a browser")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """A function that opens an address; the test fails for errors, dialogs and whatever the page asks of others."""
    wrong, windows = [], []

    def dismiss(dialog):
        wrong.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def opened(address, **options):
        window = chromium.new_context(**options)
        windows.append(window)
        # A file asks for nothing but itself, what is served for nothing of others.
        own = (address,) if address.startswith("file:") else ("data:", "blob:", "/".join([*address.split("/")[:3], ""]))
        window.on("request", lambda asked: None if asked.url.startswith(own) else wrong.append(f"asks for {asked.url}"))
        page = window.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(f"an error: {error}"))
        page.on("dialog", dismiss)
        page.goto(address)
        return page

    yield opened
    for window in windows:
        window.close()
    assert not wrong
