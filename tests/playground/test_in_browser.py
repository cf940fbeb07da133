"""The page in a real browser, as a person uses it: what it shows, by mouse and by keyboard, and what it never does."""

import re
import socket

import pytest

pytestmark = pytest.mark.slow

TEXT = "Paris is the capital of France ."
SCRIPT = "<script>alert(1)</script>"
HOSTILE = f'{SCRIPT} <img src=x onerror="alert(2)"> ${{alert(3)}} {{{{alert(4)}}}} [MASK] \u202e😀'
TABS = ("Fill masks", "Tokens and masking", "Attention", "Does B follow A?")


@pytest.fixture(scope="module")
def serve():
    """A function that serves a page of models and returns its address."""
    pytest.importorskip("gradio", reason="Gradio is not installed: the page was not served")
    from keras_mlm.playground.loaded_model import LoadedModel
    from keras_mlm.playground.page import build_page, launch_page

    served = []

    def address(**models):
        served.append(build_page([LoadedModel(name, model, {}) for name, model in models.items()]))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        return launch_page(served[-1], "127.0.0.1", port, wait=False)

    yield address
    for blocks in served:
        blocks.close(verbose=False)


@pytest.fixture(scope="module")
def address(serve, pretrainer):
    return serve(small=pretrainer)


def control(page, role, name):
    return page.get_by_role(role, name=name, exact=True)


def asked(page, text):
    """Type a text and press Go."""
    control(page, "textbox", "Text").fill(text)
    control(page, "button", "Go").click()


def focused(page):
    """What has the focus: its role or kind, and its text."""
    return page.evaluate(
        "(e => [e.getAttribute('role') || e.type || e.tagName.toLowerCase(), e.innerText || e.value || ''])"
        "(document.activeElement)"
    )


def press_until(page, key, wanted):
    """Press a key until what has the focus is wanted."""
    for _ in range(40):
        if wanted(*focused(page)):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{key} leads to nothing of the kind, at last to {focused(page)}")


def test_a_mask_is_filled_with_what_the_model_says(visit, address, pretrainer):
    page = visit(address)
    asked(page, TEXT)
    page.get_by_role("alert").filter(has_text="nothing is masked").wait_for()
    control(page, "checkbox", "capital").check()
    table = control(page, "table", "in the place of the mask")
    table.wait_for()
    (candidates,) = pretrainer.fill_mask("Paris is the [MASK] of France .", top_k=8)[0]
    assert table.get_by_role("rowheader").all_inner_texts() == [candidate.token for candidate in candidates]
    assert page.locator("mark").inner_text() == candidates[0].token
    assert page.get_by_role("alert").count() == 0


def test_attention_is_drawn_and_follows_the_controls(visit, address):
    page = visit(address)
    asked(page, TEXT)
    control(page, "tab", "Attention").click()
    picture = page.get_by_role("img", name=re.compile("^layer 0, head 0, where each token looks most: .CLS. at"))
    picture.wait_for()
    sources = [picture.get_attribute("src")]
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    control(page, "radio", "lines").check()
    page.wait_for_function("source => document.querySelector('.mlm img').src != source", arg=sources[0])
    sources.append(picture.get_attribute("src"))
    page.get_by_label("Layer").click()
    control(page, "option", "1").click()
    other = page.get_by_role("img", name=re.compile("^layer 1, head 0"))
    other.wait_for()
    assert other.get_attribute("src") not in sources


def test_the_keyboard_alone_reaches_and_uses_the_main_controls(visit, address):
    page = visit(address)
    control(page, "button", "Go").wait_for()
    press_until(page, "Tab", lambda kind, _: kind == "textarea")
    page.keyboard.press("Control+A")
    page.keyboard.type("Paris is the capital .")
    page.keyboard.press("Enter")
    page.get_by_role("alert").filter(has_text="nothing is masked").wait_for()
    press_until(page, "Tab", lambda kind, text: (kind, text) == ("submit", "Go") or text == "Go")
    press_until(page, "Tab", lambda kind, _: kind == "checkbox")
    page.keyboard.press("Space")
    control(page, "table", "in the place of the mask").wait_for()
    assert page.get_by_role("checkbox", checked=True).count() == 1
    press_until(page, "Shift+Tab", lambda kind, text: kind == "tab" and text == "Attention")
    page.keyboard.press("Enter")
    page.get_by_role("img", name=re.compile("^layer 0, head 0")).wait_for()


def test_what_is_typed_is_never_run_on_any_tab_nor_wider_than_a_phone(visit, address):
    page = visit(address, viewport={"width": 390, "height": 844})
    asked(page, HOSTILE)
    page.locator("mark").wait_for()
    for name in TABS:
        if not control(page, "tab", name).is_visible():  # a narrow page keeps its last tabs in a menu
            page.locator(".overflow-menu button").first.click()
        page.locator("[role=tab], .overflow-dropdown button").filter(has_text=name).locator("visible=true").click()
        if name == TABS[-1]:
            control(page, "textbox", "Text").fill(SCRIPT)  # two of the long ones are more than the model takes
            page.get_by_label("Text B").fill(SCRIPT)
            control(page, "button", "Does it follow?").click()
        page.locator(".mlm :is(mark, .mlm-token, img, strong)").locator("visible=true").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    assert page.locator("img[src=x]").count() == 0
    assert HOSTILE.split(" [MASK]")[0] in page.locator("p[dir=auto]").first.text_content()


def test_classes_and_tags_with_markup_in_their_names_side_by_side(visit, serve, classifier, tagger):
    page = visit(serve(classes=classifier, tags=tagger), viewport={"width": 1000, "height": 700})
    asked(page, TEXT)
    (spans,) = tagger.predict_texts([TEXT])
    page.get_by_text(f"{len(spans)} entities found.").wait_for()
    assert page.locator("mark").all_text_contents() == [f"{span.text} {span.label}" for span in spans]
    control(page, "tab", "Classes").click()
    table = control(page, "table", "probability of each class")
    table.wait_for()
    classes, tags = (page.get_by_role("heading", name=name, exact=True) for name in ("classes", "tags"))
    assert classes.bounding_box()["y"] == tags.bounding_box()["y"], "side by side"
    page.set_viewport_size({"width": 390, "height": 700})
    assert classes.bounding_box()["x"] == tags.bounding_box()["x"], "one below the other on a phone"
    assert sorted(table.get_by_role("rowheader").all_inner_texts()) == sorted(classifier.classes)
