"""What fine-tuning begins with: a pre-trained model, one that was fine-tuned before, or random weights."""

from collections.abc import Sequence
from typing import Any

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.model_folder import load_model
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

# Up to this width, encoders are trained for minutes or hours, and have little in `[CLS]`.
SMALL = 256


def pooling_for(config: BertConfig) -> str:
    """Return how a text classifier of a width best sees its encoder: wider ones as the paper and other libraries do."""
    return "cls_mean_max" if config.hidden_dim <= SMALL else "cls"


def check_source(model: str | None, from_scratch: str | None, data: str | None) -> None:
    """Raise `InputError` unless there is exactly one thing to begin with; arguments as `starting_model`."""
    if (model is None) == (from_scratch is None) or (from_scratch is None) != (data is None):
        raise InputError("give either --model FOLDER, or --from-scratch PRESET with --data FOLDER for its vocabulary")


def starting_model(
    kind: Any,
    classes: Sequence[str],
    *,
    model: str | None = None,
    from_scratch: str | None = None,
    data: str | None = None,
    dropout: float | None = None,
    **head: Any,
) -> Any:
    """Return a new model of a class to be fine-tuned.

    Args:
        kind: the class, `BertTextClassifier` or another `FineTunedModel`.
        classes: sequence of str, names of the classes.
        model: str, a model folder: pre-trained, or of this class and these classes. Defaults to `None`.
        from_scratch: str, or random weights of a preset, style `short_budget`. Defaults to `None`.
        data: str, with `from_scratch` the data or model folder whose vocabulary is used. Defaults to `None`.
        dropout: float in [0, 1), of the fine-tuning. Defaults to that of the encoder.
        **head: other arguments of the class, such as `length`; where `pooling` is `None`, `pooling_for` chooses it.

    Returns:
        A model of the class; one that was fine-tuned before has its head's weights, too, and its order of classes.

    Raises:
        InputError: not exactly one of `model` and `from_scratch`, or a model of another class or of other classes.

    Example:
        ```python
        model = starting_model(BertTextClassifier, ["sport", "politics"], model="saved_models/news", length=128)
        ```
    """
    check_source(model, from_scratch, data)
    if from_scratch is not None:
        tokenizer = WordPieceTokenizer.load(str(data))
        sizes = {"vocabulary_size": tokenizer.vocabulary_size, "dropout": dropout or 0.0}
        config = BertConfig.from_preset(from_scratch, style="short_budget", **sizes)
        return kind(config, classes, tokenizer, **_chosen(head, config))
    trained = load_model(str(model))
    if isinstance(trained, BertPretrainer):
        return kind.from_encoder(trained, classes, dropout=dropout, **_chosen(head, trained.config))
    if type(trained) is not kind:
        raise InputError(f"{model} is a {type(trained).__name__}: give a pre-trained model or a {kind.__name__}")
    if set(trained.classes) != set(classes):
        raise InputError(
            f"{model} is a model of other labels: {', '.join(trained.classes[:10])}"
            f"{' and others' if len(trained.classes) > 10 else ''}"
        )
    if "pooling" in head:
        if head["pooling"] not in (None, trained.pooling):
            raise InputError(f"{model} has the pooling {trained.pooling}: give the same, or a pre-trained model")
        head["pooling"] = trained.pooling
    again = kind.from_encoder(trained, trained.classes, dropout=dropout, **head)
    again.set_weights(trained.get_weights())
    return again


def _chosen(head: dict[str, Any], config: BertConfig) -> dict[str, Any]:
    return {**head, "pooling": pooling_for(config)} if head.get("pooling", "") is None else head
