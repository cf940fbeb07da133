"""What the first answers of a page would wait for, done before anybody asks."""

import contextlib
from collections.abc import Callable
from typing import Any

from keras_mlm.errors import InputError
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.playground.attention_answer import attention_answer
from keras_mlm.playground.mask_answer import mask_answer
from keras_mlm.playground.sentence_answers import class_answer, next_sentence_answer, tag_answer
from keras_mlm.playground.token_answers import masking_answer, token_answer

# Of two lengths and with two numbers of masks: the graph of the second is for all others, too.
_TEXTS = ("A [MASK] .", "Texts are [MASK] or short , and this one is [MASK] longer .")


def warm_up(model: Any) -> None:
    """Ask a model for every answer that it has on the page, so that graphs are made and fonts are found.

    Args:
        model: `BertPretrainer`, `BertTextClassifier` or `BertTokenClassifier`, after `answer_from_graphs`.

    Example:
        ```python
        loaded = LoadedModel.load("saved_models/news")
        warm_up(loaded.model)
        ```
    """
    answers: list[Callable[[str], Any]] = []
    if isinstance(model, BertPretrainer):
        answers.append(lambda text: mask_answer(model, text))
        answers.append(lambda text: next_sentence_answer(model, text, text))
    elif isinstance(model, BertTextClassifier):
        answers.append(lambda text: class_answer(model, text))
    else:
        answers.append(lambda text: tag_answer(model, text))
    answers += [
        lambda text: token_answer(model, text),
        lambda text: masking_answer(model, text),
        lambda text: attention_answer(model, text),
    ]
    for text in _TEXTS:
        for answer in answers:
            with contextlib.suppress(InputError):  # which tells the person who asks, such as of what is not installed
                answer(text)
