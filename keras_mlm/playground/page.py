"""The page: Gradio's controls around the answers, and nothing else."""

import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from keras_mlm.errors import InputError
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.models.bert_token_classifier import BertTokenClassifier
from keras_mlm.playground.attention_answer import attention_answer
from keras_mlm.playground.elements import STYLE, answered, page_html
from keras_mlm.playground.loaded_model import LoadedModel
from keras_mlm.playground.mask_answer import mask_answer
from keras_mlm.playground.mask_words import clickable_words, with_masks
from keras_mlm.playground.sentence_answers import class_answer, next_sentence_answer, tag_answer
from keras_mlm.playground.token_answers import masking_answer, token_answer
from keras_mlm.report.element import element

if TYPE_CHECKING:
    import gradio

EXTRA = "the playground needs Gradio: pip install 'keras-mlm[playground]'"
_TITLE = "keras_mlm playground"
_ENGLISH, _CHINESE = "Paris is the [MASK] of France .", "北京是中国的[MASK]都。"
_ALL = "all"


def import_gradio() -> Any:
    """Return Gradio with everything off that talks to other machines; raises `InputError` where it is not installed."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        import gradio
    except ImportError:
        raise InputError(EXTRA) from None
    return gradio


def launch_page(page: "gradio.Blocks", host: str, port: int, *, wait: bool = True) -> str:
    """Serve a page until Ctrl-C.

    Args:
        page: what `build_page` returned.
        host: str, the address to listen at.
        port: int, likewise.
        wait: bool, whether to return only when the page is stopped. Defaults to `True`.

    Returns:
        The page's address.
    """
    gr = import_gradio()
    fonts = ["system-ui", "sans-serif"]  # the system's own: nothing is fetched
    theme = gr.themes.Default(font=fonts, font_mono=["ui-monospace", "monospace"])
    page.launch(
        server_name=host,
        server_port=port,
        share=False,
        quiet=True,
        theme=theme,
        css=STYLE,
        allowed_paths=[],
        max_file_size=1,
        enable_monitoring=False,
        ssr_mode=False,
        prevent_thread_lock=True,
        footer_links=[],
    )
    if wait:
        try:
            threading.Event().wait()  # Ctrl-C
        finally:
            page.close(verbose=False)
    return str(page.local_url)


def build_page(models: Sequence[LoadedModel]) -> "gradio.Blocks":
    """Return a page that asks one model, or several side by side.

    Args:
        models: sequence of `LoadedModel`.

    Returns:
        A `gradio.Blocks`, not launched.

    Raises:
        InputError: Gradio is not installed.

    Example:
        ```python
        launch_page(build_page([LoadedModel.load("saved_models/news")]), "127.0.0.1", 7860)
        ```
    """
    gr = import_gradio()
    kinds = {type(loaded.model) for loaded in models}
    tokenizer = models[0].model.tokenizer
    chinese = "的" in tokenizer.vocabulary and "the" not in tokenizer.vocabulary
    example = _CHINESE if chinese else _ENGLISH

    def asked(function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function's answers as HTML, one a model."""

        def answers(*arguments: Any) -> Any:
            found = [answered(function, loaded.model, *arguments) for loaded in models]
            return found if len(found) > 1 else found[0]

        return answers

    def on(triggers: Sequence[Any], *arguments: Any, **options: Any) -> Any:
        # What is asked while an answer is under way is asked when it is there, not dropped.
        return gr.on(triggers, *arguments, trigger_mode="always_last", **options)

    def answer_boxes() -> list[Any]:
        with gr.Row(elem_classes="side-by-side"):
            return [gr.HTML(label=loaded.name, elem_classes="answer") for loaded in models]

    def words_of(text: str) -> Any:
        try:
            words = clickable_words(models[0].model, text)
        except InputError:
            words = []
        return gr.CheckboxGroup(choices=words, value=[])

    with gr.Blocks(title=_TITLE, analytics_enabled=False) as page:
        gr.HTML(page_html(element("h1", _TITLE)))
        with gr.Row(elem_classes="side-by-side"):
            for loaded in models:
                gr.HTML(page_html(loaded.about()))
        with gr.Row(equal_height=True):
            text = gr.Textbox(example, label="Text", lines=1, max_lines=8, scale=8)
            go = gr.Button("Go", variant="primary", scale=1, min_width=80)
        asks = [page.load, text.submit, go.click]
        if BertPretrainer in kinds:
            with gr.Tab("Fill masks"):
                words = gr.CheckboxGroup(clickable_words(models[0].model, example), label="Words to mask")
                top_k = gr.Slider(1, 30, 8, step=1, label="Candidates")
                boxes = answer_boxes()
            fill = asked(lambda model, *given: mask_answer(model, with_masks(models[0].model, given[0], given[1]),
                                                           int(given[2])))  # fmt: skip
            listed = on(asks[1:], words_of, text, words, api_name="words")
            listed.then(fill, [text, words, top_k], boxes, api_visibility="private")
            on([page.load, words.input, top_k.release], fill, [text, words, top_k], boxes, api_name="fill_masks")
        if BertTokenClassifier in kinds:
            with gr.Tab("Entities and tags"):
                boxes = answer_boxes()
            on(asks, asked(tag_answer), text, boxes, api_name="tags")
        if BertTextClassifier in kinds:
            with gr.Tab("Classes"):
                other = gr.Textbox("", label="Second text, for classifiers of pairs")
                boxes = answer_boxes()
            on([*asks, other.submit], asked(class_answer), [text, other], boxes, api_name="classes")
        with gr.Tab("Tokens and masking"):
            with gr.Row():
                seed = gr.Slider(0, 100, 0, step=1, label="Seed")
                rate = gr.Slider(0.05, 0.6, 0.15, step=0.05, label="Share of tokens to select")
            gr.HTML(page_html("As it is written, and the tokens that it becomes:"))
            boxes = answer_boxes()
            gr.HTML(page_html("What training sees, by strategy:"))
            masked = answer_boxes()
        on(asks, asked(token_answer), text, boxes, api_name="tokens")
        on([*asks, seed.release, rate.release], asked(masking_answer), [text, seed, rate], masked, api_name="masking")
        with gr.Tab("Attention"):
            with gr.Row():
                layer, head = (
                    gr.Dropdown([*map(str, range(count)), _ALL], value="0", label=label, filterable=False)
                    for label, count in (
                        ("Layer", max(loaded.model.config.num_layers for loaded in models)),
                        ("Head", max(loaded.model.config.num_heads for loaded in models)),
                    )
                )
                style = gr.Radio(["heat map", "lines"], value="heat map", label="Picture")
            boxes = answer_boxes()
        look = asked(lambda model, given, at_layer, at_head, drawn: attention_answer(
            model, given, _number(at_layer), _number(at_head), drawn == "lines"))  # fmt: skip
        on([*asks, layer.input, head.input, style.input], look, [text, layer, head, style], boxes, api_name="attention")
        if BertPretrainer in kinds:
            with gr.Tab("Does B follow A?"):
                second = gr.Textbox("", label="Text B; A is the text above", lines=1, max_lines=8)
                ask = gr.Button("Does it follow?")
                boxes = answer_boxes()
            on([second.submit, ask.click], asked(next_sentence_answer), [text, second], boxes, api_name="follows")
    return page


def _number(chosen: str) -> int | None:
    return None if chosen == _ALL else int(chosen)
