"""How long the playground takes to answer, without the way to the browser."""

import statistics
import time
from collections.abc import Callable
from typing import Any

from keras_mlm import command_line


def playground_answers(
    *, model: str, text: str = "The president of the [MASK] said on Monday that he would not resign .", rounds: int = 20
) -> None:
    """Print the median and the longest time of each answer that a pre-trained model can give, in milliseconds.

    Args:
        model: Model folder of a pre-trained model.
        text: Text with a [MASK].
        rounds: How often each is asked; once more before that, to warm up.
    """
    from keras_mlm.model_folder import load_pretrainer
    from keras_mlm.playground.answer_from_graphs import answer_from_graphs
    from keras_mlm.playground.attention_answer import attention_answer
    from keras_mlm.playground.elements import page_html
    from keras_mlm.playground.mask_answer import mask_answer
    from keras_mlm.playground.sentence_answers import next_sentence_answer
    from keras_mlm.playground.token_answers import masking_answer, token_answer

    bert = load_pretrainer(model)
    answer_from_graphs(bert)
    answers: dict[str, Callable[[], Any]] = {
        "masks filled": lambda: mask_answer(bert, text),
        "tokens": lambda: token_answer(bert, text),
        "masking": lambda: masking_answer(bert, text),
        "attention, heat map": lambda: attention_answer(bert, text),
        "attention, lines": lambda: attention_answer(bert, text, lines=True),
        "attention, all heads": lambda: attention_answer(bert, text, None, None),
        "all heads, lines": lambda: attention_answer(bert, text, None, None, lines=True),
    }
    if bert.next_sentence_head is not None:
        answers["does B follow A"] = lambda: next_sentence_answer(bert, text, text)
    for name, answer in answers.items():
        times = []
        for turn in range(rounds + 1):
            begun = time.perf_counter()
            page_html(answer())
            if turn:
                times.append(1000 * (time.perf_counter() - begun))
        print(f"{name:22} {statistics.median(times):7.1f} ms, at most {max(times):7.1f}")


if __name__ == "__main__":
    command_line.run(playground_answers)
