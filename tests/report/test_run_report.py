import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keras_mlm import command_line
from keras_mlm.errors import InputError
from keras_mlm.report.report_updates import ReportUpdates
from keras_mlm.report.run_record import RunRecord
from keras_mlm.report.run_report import write_report

SCRIPT = "<script>alert(1)</script>"
NASTY = [
    SCRIPT,
    '"><img src=x onerror=alert(1)>',
    "</style><b>",
    "<!--",
    "]]>",
    "&lt;i&gt;",
    "a\x00b\ud800c",
    "javascript:x",
]
# What carries no address, and is in every page.
CSS_ADDRESS = re.compile(r"url\(|@import|expression\(", re.IGNORECASE)


class Page(HTMLParser):
    """What a browser would see: elements with attributes, text, and the content of styles."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.text, self.open = [], "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("meta", "br", "hr", "img", "input", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, "elements are nested"

    def handle_data(self, data):
        self.text += data if self.open[-1:] != ["style"] else ""

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")


TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "div", "h1", "h2", "h3", "span", "p", "nav",
    "section", "table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "strong", "i", "svg", "line", "a",
    "text", "polyline", "circle", "rect", "mark", "bdi", "small", "b", "pre", "footer",
}  # fmt: skip


def checked(path) -> Page:
    """Parse a page and check that nothing in it is a script or leads out of its folder."""
    page = Page(Path(path).read_text(encoding="utf-8"))
    assert not page.open
    for tag, attributes in page.elements:
        assert tag in TAGS, tag
        for name, value in attributes.items():
            assert not name.startswith("on") and name not in ("src", "srcset", "data", "action", "xlink:href"), name
            if name == "href":
                assert tag == "a" and (value.startswith("#") or re.fullmatch(r"\./[\w./~%-]+", value, re.ASCII)), value
            if name in ("style", "content"):
                assert not CSS_ADDRESS.search(value) and "//" not in value
    assert not CSS_ADDRESS.search("".join(re.findall("<style>(.*?)</style>", Path(path).read_text(), re.DOTALL)))
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    return page


def write_json(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))


def write_curves(folder, curves, name="train"):
    writer = tf.summary.create_file_writer(str(folder / "run/logs" / name))
    with writer.as_default():
        for tag, points in curves.items():
            for step, value in points:
                tf.summary.scalar(tag, value, step=step)
    writer.close()


def sample_line(step, text, answer, tokens):
    found = [{"token": token, "score": 0.5 / (n + 1)} for n, token in enumerate(tokens)]
    return json.dumps(
        {"step": step, "seconds": 1.0, "samples": [{"text": text, "answer": answer, "candidates": found}]}
    )


@pytest.fixture
def folder(tmp_path):
    """A finished pre-training, as far as a report is concerned."""
    folder = tmp_path / "news"
    metrics = {
        "perplexity": 20.5,
        "masked_lm_accuracy": 0.41,
        "steps": 1000,
        "seconds": 61.5,
        "parameters": 4_400_000,
        "unigram_perplexity": 500.0,
        "neighbour_perplexity": 90.0,
        "cloze_sentences": 100,
        "cloze_top1": 31,
    }
    start = {"command": "python recipes/pretrain.py --data 'a b'", "time": "2026-01-01T00:00:00Z",
             "versions": {"python": "3.11"}, "commit": None, "devices": ["CPU"]}  # fmt: skip
    write_json(folder / "config.json", {"class": "BertPretrainer", "model": {"hidden_dim": 128}})
    write_json(folder / "metrics.json", metrics)
    write_json(folder / "run/run.json", {"model": {"hidden_dim": 128}, "pretraining": {"steps": 1000},
                                         "data": {"tokens": 99}, "starts": [start], "metrics": metrics})  # fmt: skip
    write_json(folder / "run/data.json", {"training": {"documents": 4321}})
    lines = [sample_line(step, "the cat [MASK] on", "sat", tokens)
             for step, tokens in ((500, ["the", "of"]), (1000, ["sat", "lay"]))]  # fmt: skip
    (folder / "run/samples.jsonl").write_text("\n".join(lines) + "\n")
    write_curves(folder, {"step_loss": [(20 * n, 9 / n) for n in range(1, 51)],
                          "learning_rate": [(20 * n, n * 1e-5) for n in range(1, 51)]})  # fmt: skip
    write_curves(folder, {"loss": [(100, 7.0), (1000, 3.25)]}, "held_out")
    return folder


def test_a_finished_run_is_shown_with_all_that_its_folder_holds(folder):
    page = checked(write_report(str(folder)))
    for expected in ("news", "finished", "20.5", "41.0%", "1 min 2 s", "counts of both neighbours", "31 were the first",
                     "python recipes/pretrain.py --data 'a b'", "hidden dim", "4,321", "the cat ", "lay", "1 of 1",
                     "held-out 3.25 at step 1,000", "Learning rate"):  # fmt: skip
        assert expected in page.text, expected
    assert ("a", {"href": "./run/samples.jsonl"}) in page.elements
    assert not any(attributes.get("http-equiv") == "refresh" for _, attributes in page.elements)
    assert [path.name for path in folder.glob("*.partial")] == []


def test_without_samples_no_sentence_is_left(folder):
    write_json(folder / "run/answers.json", {"classes": ["a"], "errors": [
        {"sure": 0.9, "label": "a", "answer": "b", "text": "the secret"}]})  # fmt: skip
    assert "the secret" in checked(write_report(str(folder))).text
    text = Path(write_report(str(folder), samples=False)).read_text()
    assert "the cat" not in text and "the secret" not in text and "Learning rate" in text


@pytest.mark.parametrize("text", NASTY)
def test_text_labels_and_names_stay_text(folder, text):
    name = re.sub(r"[\x00/\ud800]", "", text)
    (folder / name).write_text("a file")
    (folder / "run/samples.jsonl").write_text(sample_line(5, f"{text} [MASK] {text}", text, [text]) + "\n")
    write_json(folder / "run/data.json", {text: {text: text}})
    error = {"sure": 1, "label": text, "answer": text, "text": text}
    answers = {"classes": [text, "b"], "confusion": [[0, 1, 3]], "table": [[text, 1, 1, 1, 1]], "errors": [error]}
    write_json(folder / "run/answers.json", answers)
    write_json(folder / "config.json", {"class": text, "model": {text: text}})
    page = checked(write_report(str(folder)))
    shown = text.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    assert page.text.count(shown) >= 12


PLAIN = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=60)
@given(text=st.text(max_size=30), more=PLAIN)
@example(text="", more=math.nan)
@example(text="", more=math.inf)
def test_no_content_breaks_the_page(tmp_path_factory, text, more):
    folder = tmp_path_factory.mktemp("any")
    write_json(folder / "config.json", {"class": more, "model": {text: more}})
    write_json(folder / "metrics.json", {"perplexity": more, "steps": more, text: more, "seconds": more})
    run = {
        "model": more,
        "pretraining": {text: text},
        "data": more,
        "starts": [more, {"command": more, text: text}],
        "metrics": {},
    }
    write_json(folder / "run/run.json", run)
    write_json(folder / "run/data.json", {text: more})
    write_json(folder / "run/answers.json", {"classes": [text, more], "confusion": more, "table": more, "errors": more})
    (folder / "run/samples.jsonl").write_text(sample_line(5, text, text, [text]) + "\n" + json.dumps(more))
    checked(write_report(str(folder)))


def test_numbers_that_are_none_are_shown_as_what_they_are(folder):
    figures = json.loads((folder / "metrics.json").read_text())
    write_json(folder / "metrics.json", {**figures, "perplexity": math.inf, "seconds": math.nan})
    with open(folder / "run/samples.jsonl", "a") as file:
        file.write('\n{"step": Infinity, "samples": []}')
    page = checked(write_report(str(folder)))
    assert "inf" in page.text and "nan" in page.text and "samples.jsonl line" in page.text


@pytest.mark.parametrize("damage", ["", "{", "[]", "\x00\xff", '{"a":'])
@pytest.mark.parametrize("name", ["metrics.json", "run/data.json", "run/answers.json", "run/samples.jsonl"])
def test_a_damaged_file_is_left_out_and_named(folder, name, damage):
    (folder / name).write_bytes(damage.encode("latin1"))
    page = checked(write_report(str(folder)))
    assert (f"{name.split('/')[-1]}" in page.text and "damaged" in page.text) or not damage


def test_an_interrupted_run_has_a_page(folder):
    for name in ("config.json", "metrics.json"):
        (folder / name).unlink()
    run = json.loads((folder / "run/run.json").read_text())
    del run["metrics"]
    write_json(folder / "run/run.json", run)
    (event_file,) = (folder / "run/logs/train").iterdir()
    event_file.write_bytes(event_file.read_bytes()[:-7])  # killed while it wrote
    page = checked(write_report(str(folder)))
    assert "unfinished" in page.text and "The command below continues it" in page.text
    assert "step 1,000" in page.text and "training" in page.text and "the cat" in page.text


def test_a_folder_without_a_run_is_refused_and_nothing_is_written(tmp_path, capsys):
    with pytest.raises(InputError, match="no model folder"):
        write_report(str(tmp_path))
    with pytest.raises(InputError, match="no model folder"):
        write_report(str(tmp_path / "absent"))
    assert not list(tmp_path.iterdir())


def test_steps_that_were_taken_again_are_drawn_once(tmp_path):
    write_json(tmp_path / "run/run.json", {"model": {}})
    write_curves(tmp_path, {"loss": [(20, 9.0), (40, 8.0), (60, 7.5)]})
    (first,) = (tmp_path / "run/logs/train").iterdir()
    first.rename(first.with_name("events.out.tfevents.1000000000.host.1.0.v2"))
    write_curves(tmp_path, {"loss": [(40, 8.5), (60, 7.0)], "perplexity": [(40, 3.0)]})
    record = RunRecord.read(str(tmp_path))
    assert record.train == {"loss": [(20, 9.0), (40, 8.5), (60, 7.0)], "perplexity": [(40, 3.0)]}


def test_a_thousand_steps_stay_far_below_three_megabytes(folder):
    tags = (
        "step_loss",
        "loss",
        "perplexity",
        "masked_lm_accuracy",
        "gradient_norm",
        "update_ratio",
        "tokens_per_second",
    )
    write_curves(folder, {tag: [(step, 1.0 + step % 7) for step in range(5, 1001, 5)] for tag in tags})
    lines = [
        sample_line(step, f"sentence {step} of [MASK] words", "many", ["many", "few"]) for step in range(0, 1000, 10)
    ]
    (folder / "run/samples.jsonl").write_text("\n".join(lines) + "\n")
    assert Path(write_report(str(folder))).stat().st_size < 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_real_browser_opens_the_file_and_asks_for_nothing_else(folder, visit, scheme):
    hostile = f'{SCRIPT} <img src=x onerror="alert(2)"> 北京是中国的 [MASK] 都。' + "a" * 200
    (folder / "run/samples.jsonl").write_text(sample_line(1000, hostile, SCRIPT, [SCRIPT, "首"]) + "\n")
    write_json(folder / "run/answers.json", {"classes": [SCRIPT, "b" * 40], "confusion": [[3, 1], [0, 2]], "errors": [
        {"sure": 0.9, "label": SCRIPT, "answer": "b" * 40, "text": hostile}]})  # fmt: skip
    address = Path(write_report(str(folder))).as_uri()
    page = visit(address, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.get_by_role("heading", name="news", exact=True).wait_for()
    links = page.get_by_role("navigation", name="Sections").get_by_role("link")
    assert links.all_inner_texts() == page.get_by_role("heading", level=2).all_inner_texts()
    assert page.get_by_role("img", name=re.compile("^Loss.* from .* to ")).first.is_visible()
    assert page.locator("img").count() == 0 and SCRIPT in page.locator(".sentence").first.text_content()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    light = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0] > 127")
    assert light == (scheme == "light")
    for _ in range(links.count()):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == "Masked sentences":
            page.keyboard.press("Enter")
    assert page.url == f"{address}#sentences"


def test_the_page_is_kept_fresh_and_a_failure_does_not_stop_training(folder, caplog):
    updates = ReportUpdates(str(folder), every_seconds=0.0)
    updates.on_train_begin()
    page = checked(folder / "report.html")
    assert ("meta", {"http-equiv": "refresh", "content": "60"}) in page.elements and "goes on" in page.text
    (folder / "report.html").unlink()
    (folder / "report.html.partial").mkdir()
    updates._next = 0.0
    updates.on_train_batch_end(0)
    assert "training goes on" in caplog.text and not (folder / "report.html").exists()


def test_the_recipe_writes_and_refuses(folder, tmp_path, capsys):
    import importlib.util

    recipe = Path(__file__).parents[2] / "recipes/report.py"
    spec = importlib.util.spec_from_file_location("report_recipe", recipe)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for arguments, code in ((["--model", str(folder)], 0), (["--model", str(tmp_path / "none")], 2)):
        with pytest.raises(SystemExit) as ended:
            command_line.run(module.report, arguments=arguments)
        assert ended.value.code == code
    shown = capsys.readouterr()
    assert "report.html" in shown.out and "no model folder" in shown.err and "Traceback" not in shown.err
