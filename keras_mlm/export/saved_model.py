"""Export for serving: a SavedModel that takes raw strings and needs nothing of this package."""

import logging
from pathlib import Path
from typing import Any

import keras

from keras_mlm.errors import InputError
from keras_mlm.export.export_card import write_export_card
from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.serving_files import docker_command, write_serving_files
from keras_mlm.export.signatures_of import on_server
from keras_mlm.export.version_folder import numbered, written_aside
from keras_mlm.export.warm_up import write_warm_up

logger = logging.getLogger(__name__)

_ABOUT = """
Raw strings in, answers out: tokenizer, vocabulary and weights are inside, in float32. It needs TensorFlow and
tensorflow-text of one minor version, or TF Serving, and nothing of the package that wrote it."""

_USE = """\
```python
import tensorflow as tf
import tensorflow_text  # the tokenizer's operations

model = tf.saved_model.load("1")
model.signatures["{default}"](text=tf.constant(["{text}"]))
```

Without `import tensorflow_text`, loading ends with `Op type not registered`: it is what registers them.

```bash
{docker}

curl -d '{{"instances": [{{"text": "{text}"}}]}}' localhost:8501/v1/models/{name}:predict
curl -d '{{"signature_name": "embed", "inputs": {{"text": ["One vector a text."]}}}}' \\
  localhost:8501/v1/models/{name}:predict
```"""


def export_saved_model(model: Any, folder: str, options: ExportOptions | None = None) -> str:
    """Write a SavedModel that takes raw strings, as a numbered folder that TF Serving serves.

    Everything is inside: tokenizer, vocabulary, weights, each once, in float32. Signatures of every model:

    * `embed`: `text` to `mean_pooled` and `cls`, vectors of length 1
    * `tokenize`: `text` to `token_ids`, `tokens`, `starts`, `ends`
    * `embed_ids`: `token_ids`, `segment_ids`, `padding_mask` int32 `(batch, length)`, for clients with their own
      tokenizer

    Of a pre-trained model, the first being `serving_default` too:

    * `fill_mask`: `text` to `tokens`, `scores`, `positions` of each `[MASK]`'s candidates; `fill_mask_ids`
    * `score`: `text` to `log_likelihood` and `pseudo_perplexity`, each token masked on its own
    * `next_sentence`: `text_a`, `text_b` to `label` and `probability`, where the model has that head

    Of a classifier, by its own rule for long texts and with its temperature:

    * `classify`: `text` to `label` (`labels` where a text may have several), `probabilities`, `classes`; `classify_ids`
    * `classify_pair`: the same of `text_a`, `text_b`, unless long texts are read in windows

    Of a tagger, of texts of any length:

    * `tag`: `text` to `words`, `tags`, `scores`, `starts`, `ends` `(batch, word_slots)` and `word_count`; `tag_ids`

    Texts are strings `(batch,)`, UTF-8 (bytes that are none count as unknown characters). What takes text also returns
    `token_count`, `truncated` and `unknown_count`, `(batch,)` each. Every output has the batch first and fixed widths;
    README.md in the folder lists them all. It loads with `import tensorflow_text` before `tf.saved_model.load`, with
    the TF 1 loader and TF Serving's. Where tensorflow-serving-api is installed, the server's warm-up requests are in
    it; the folder `serving` beside the numbers has the server's settings.

    Args:
        model: BertPretrainer, BertTextClassifier or BertTokenClassifier with a tokenizer.
        folder: str, the model folder; the export is a numbered folder in it.
        options: ExportOptions. Defaults to `None`, all defaults.

    Returns:
        The path of the numbered folder, a str.

    Raises:
        InputError: the number exists already, or a size that the model does not have.
        RunError: the folder could not be written.

    Example:
        ```python
        path = export_saved_model(load_model("saved_models/news"), "saved_models/news")
        served = tf.saved_model.load(path).signatures["fill_mask"]
        served(text=tf.constant(["Paris is the [MASK] of France ."]))["tokens"]
        ```
    """
    options = options or ExportOptions()
    server = on_server(model, options)
    signatures = server.all()
    path = numbered(folder, options.version)
    # Nothing is tracked: the archive then finds the variables through the functions and writes each once, under names
    # that TF Serving's loader finds again.
    archive = keras.export.ExportArchive()
    for signature in signatures:
        archive.add_endpoint(signature.name, signature.function, input_signature=list(signature.inputs))
    name = Path(folder).absolute().name
    with written_aside(path) as aside:
        archive.write_out(aside, verbose=False)
        try:
            write_warm_up(aside, name, signatures)
        except InputError as error:
            logger.info("%s has no warm-up requests: %s", path, error)
        use = _USE.format(
            name=name, docker=docker_command(name), default=signatures[0].name, text=signatures[0].examples["text"][0]
        )
        write_export_card(
            aside, server.model, signatures, folder=folder, model_folder=options.model_folder, kind="SavedModel",
            about=_ABOUT, use=use, length=server.length,
        )  # fmt: skip
        write_serving_files(folder, name)
    return path
