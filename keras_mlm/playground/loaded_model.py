"""The models of a page, and what is said about each."""

from typing import Any, NamedTuple

from keras_mlm.model_folder import load_model, read_metrics
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.models.bert_token_classifier import BertTokenClassifier
from keras_mlm.playground.answer_from_graphs import answer_from_graphs
from keras_mlm.report.element import Element, element

# BERT-base has 110 million weights. Below this, guesses follow frequent words more than facts.
_SMALL = 20_000_000
# An accuracy at telling the next sentence that is hardly better than a coin's.
_COIN = 0.6


class LoadedModel(NamedTuple):
    """A model with the name and the figures of its folder.

    Args:
        name: str, the folder as it was given.
        model: `BertPretrainer`, `BertTextClassifier` or `BertTokenClassifier` with a tokenizer.
        metrics: dict, what `metrics.json` holds.
    """

    name: str
    model: Any
    metrics: dict[str, Any]

    @classmethod
    def load(cls, folder: str) -> "LoadedModel":
        """Load a model folder, to be asked often; raises `InputError` as `load_model`."""
        model = load_model(folder)
        answer_from_graphs(model)
        return cls(folder, model, read_metrics(folder))

    @property
    def parameters(self) -> int:
        """The number of weights."""
        return int(self.model.count_params())

    def about(self) -> Element:
        """Return what the model is and how far to trust it."""
        config = self.model.config
        kind = {
            BertPretrainer: "pre-trained, fills masks",
            BertTextClassifier: "classifier of texts",
            BertTokenClassifier: "tagger of words",
        }[type(self.model)]
        facts = (
            f"{kind}; {config.num_layers} layers of {config.hidden_dim}, {config.num_heads} heads, "
            f"{self.parameters / 1e6:,.1f} million weights, {config.vocabulary_size:,} tokens in the vocabulary"
        )
        return element(
            "div",
            element("h3", element("bdi", self.name)),
            element("p", facts),
            [element("p", words, class_="mlm-unsure") for words in self.warnings()],
        )

    def warnings(self) -> list[str]:
        """Return in plain words why answers of this model may be wrong."""
        words = []
        if self.parameters < _SMALL:
            words.append(
                "This is a small model (BERT-base has 110 million weights): it knows what often stands where, and few "
                "facts. Read its probabilities, not only its first guess."
            )
        right = self.metrics.get("masked_lm_accuracy")
        if isinstance(self.model, BertPretrainer) and isinstance(right, float):
            words.append(f"Of masked tokens in held-out text it guesses {right:.0%} right.")
        follows = self.metrics.get("next_sentence_accuracy")
        if isinstance(follows, float) and follows < _COIN:
            words.append(
                f"Whether B follows A it tells right in {follows:.0%} of held-out pairs: little more than a coin."
            )
        return words
