"""The README.md of a model folder: what the model is, how it was trained, how good it is and how to use it."""

from typing import TYPE_CHECKING, Any

from keras_mlm.config import BertConfig

if TYPE_CHECKING:
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

_CARD = """\
---
library_name: keras
pipeline_tag: fill-mask
tags: [bert, masked-language-model, keras_mlm]
---

# {name}

A BERT encoder, pre-trained {objectives} with keras_mlm.

## Model

{model}

## Training

{training}

## Results

{results}

Perplexity is exp(Σ w·loss / Σ w) over the masked tokens of held-out documents; `unigram_perplexity` and
`neighbour_perplexity` are those of word counts, and of counts given the left and right neighbour, on the same tokens.

## Use

```python
from keras_mlm import load_model

model = load_model("saved_models/{name}")
model.fill_mask(["A sentence with a [MASK] in it ."], top_k=5)
model.embed(["One vector a text ."])
```

## Limits

The model repeats what its training text says, with its mistakes and prejudices. It knows nothing outside that text, and
its guesses are no statements of fact.
"""

_CLASSIFIER_CARD = """\
---
library_name: keras
pipeline_tag: text-classification
tags: [bert, text-classification, keras_mlm]
---

# {name}

A BERT that puts texts into {count} classes{several}, fine-tuned with keras_mlm.

## Model

{model}

Classes: {classes}.

## Training

{training}

## Results

{results}

## Use

```python
from keras_mlm import load_model

labels, probabilities = load_model("saved_models/{name}").predict_texts(["A text."])
```

## Limits

It knows the classes above and no other{instead}. {calibration}
"""

_TAGGER_CARD = """\
---
library_name: keras
pipeline_tag: token-classification
tags: [bert, token-classification, keras_mlm]
---

# {name}

A BERT that tags words with {count} tags, fine-tuned with keras_mlm.

## Model

{model}

Tags: {classes}.

## Training

{training}

## Results

{results}

Figures count words and, where tags spell spans, whole spans with the right type: precision, recall and F1 as the CoNLL
evaluation counts them.

## Use

```python
from keras_mlm import load_model

for span in load_model("saved_models/{name}").predict_texts(["A text."])[0]:
    print(span.text, span.label, span.start, span.end)
```

## Limits

It knows the tags above and no other. Texts are best split into words as its training text was.
"""


def model_card(
    name: str,
    config: BertConfig,
    tokenizer: "WordPieceTokenizer",
    *,
    training: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
) -> str:
    """Return the Markdown text of a model card. It holds figures and settings, never text of the corpus.

    Args:
        name: str, the model's name.
        config: BertConfig, the architecture.
        tokenizer: WordPieceTokenizer the model was trained with.
        training: dict of str to plain values, the settings of the run. Defaults to `None`.
        metrics: dict of str to plain values, what was measured. Defaults to `None`.

    Returns:
        A str.
    """
    return _CARD.format(
        name=name,
        objectives="to fill masks and to tell whether two passages follow each other"
        if config.next_sentence
        else "to fill masks",
        model=markdown_table(_model_entries(config, tokenizer)),
        training=markdown_table(training or {}),
        results=markdown_table(metrics or {}),
    )


def classifier_card(
    name: str,
    config: BertConfig,
    tokenizer: "WordPieceTokenizer",
    head: dict[str, Any],
    *,
    training: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
) -> str:
    """Return the Markdown text of the card of a classifier; arguments as `model_card`, and its `head_config()`."""
    longer = {
        "truncate": "then cut",
        "head_tail": "of longer ones beginning and end",
        "windows": "longer ones in overlapping windows",
    }[head["long_text"]]
    return _CLASSIFIER_CARD.format(
        name=name,
        count=len(head["classes"]),
        several=", any number of them a text" if head["multi_label"] else "",
        instead="" if head["multi_label"] else ": every text gets one of them",
        classes=", ".join(f"`{label}`" for label in head["classes"]),
        calibration="Probabilities are not calibrated."
        if head["temperature"] == 1.0
        else f"Probabilities are calibrated on held-out examples (temperature {head['temperature']:.3g}).",
        model=markdown_table(
            {**_model_entries(config, tokenizer), "longest text": f"{head['length']} tokens, {longer}"}
        ),
        training=markdown_table(training or {}),
        results=markdown_table(metrics or {}),
    )


def tagger_card(
    name: str,
    config: BertConfig,
    tokenizer: "WordPieceTokenizer",
    classes: Sequence[str],
    length: int,
    *,
    training: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
) -> str:
    """Return the Markdown text of the card of a tagger; arguments as `classifier_card`."""
    entries = {**_model_entries(config, tokenizer), "longest text": f"any; windows of {length} tokens"}
    return _TAGGER_CARD.format(
        name=name,
        count=len(classes),
        classes=", ".join(f"`{label}`" for label in classes),
        model=markdown_table(entries),
        training=markdown_table(training or {}),
        results=markdown_table(metrics or {}),
    )


def _model_entries(config: BertConfig, tokenizer: "WordPieceTokenizer") -> dict[str, Any]:
    case = "lower-cased" if tokenizer.lowercase else "cased"
    head_width = config.hidden_dim // config.num_heads
    return {
        "architecture": f"{config.num_layers} layers × {config.hidden_dim}, {config.num_heads} heads of {head_width}",
        "feed-forward width": config.intermediate_dim,
        "norm, positions": f"{config.norm}-norm, {config.position}",
        "longest text": f"{config.max_sequence_length} tokens",
        "vocabulary": f"{tokenizer.vocabulary_size:,} WordPiece tokens, {case}",
        "normalization": tokenizer.normalization,
        "vocabulary sha256": f"`{tokenizer.vocabulary_hash}`",
    }


def markdown_table(entries: dict[str, Any]) -> str:
    """Return entries as a Markdown table of two columns; what is no plain value is left out."""
    rows = [
        f"| {key} | {f'{value:.4g}' if isinstance(value, float) else value} |"
        for key, value in entries.items()
        if value is not None and not isinstance(value, dict | list)
    ]
    return "\n".join(["| | |", "|---|---|", *rows]) if rows else "Not recorded."
