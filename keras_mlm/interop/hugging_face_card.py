"""The README.md of a folder of Hugging Face's."""

import dataclasses
from typing import Any

from keras_mlm.models.fine_tuned_model import FineTunedModel

_CARD = """\
---
library_name: transformers
pipeline_tag: {task}
tags: [bert, {tag}, keras_mlm]
---

# {name}

A BERT of {layers} layers × {hidden}, {heads} heads and {vocabulary:,} WordPiece tokens, trained or carried over with
keras_mlm.{classes}

```python
from transformers import pipeline

pipeline("{task}", "{name}")("{text}")
```

{limits}
"""


@dataclasses.dataclass(frozen=True)
class _Task:
    task: str
    tag: str
    text: str
    limits: str


_TASKS = {
    "BertPretrainer": _Task(
        "fill-mask",
        "masked-language-model",
        "A sentence with a [MASK] in it .",
        "It repeats what its training text says, with its mistakes and prejudices; its guesses are no facts.",
    ),
    "BertTextClassifier": _Task(
        "text-classification",
        "text-classification",
        "A text .",
        "It knows these classes and no other, and repeats the mistakes and prejudices of the examples it learned from.",
    ),
    "BertTokenClassifier": _Task(
        "token-classification",
        "token-classification",
        "A text .",
        'A word is tagged at its first piece: aggregation_strategy="first" gives whole words.\n\n'
        "It knows these classes and no other, and repeats the mistakes and prejudices of the examples it learned from.",
    ),
}


def write_card(model: Any, name: str) -> str:
    """Return the Markdown text of the card.

    Args:
        model: BertPretrainer or a fine-tuned model.
        name: str, what the folder is called.

    Returns:
        str; it holds sizes and names of classes, no text that the model learned from.
    """
    config, classes = model.config, ""
    if isinstance(model, FineTunedModel):
        classes = f"\n\nClasses: {', '.join(f'`{label}`' for label in model.classes)}."
    return _CARD.format(
        name=name,
        layers=config.num_layers,
        hidden=config.hidden_dim,
        heads=config.num_heads,
        vocabulary=config.vocabulary_size,
        classes=classes,
        **dataclasses.asdict(_TASKS[type(model).__name__]),
    )
