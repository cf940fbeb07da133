"""Export for serving: a SavedModel that takes raw strings and needs nothing of this package."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.export.export_card import CARD, export_card
from keras_mlm.export.serving_files import docker_command, write_serving_files
from keras_mlm.export.signatures_of import signatures_of
from keras_mlm.export.version_folder import numbered, written_aside
from keras_mlm.export.warm_up import write_warm_up

if TYPE_CHECKING:
    from keras_mlm.models.bert_pretrainer import BertPretrainer

logger = logging.getLogger(__name__)

_ABOUT = """
Raw strings in, answers out: tokenizer, vocabulary and weights are inside, in float32. It needs TensorFlow and
tensorflow-text of one minor version, or TF Serving, and nothing of the package that wrote it."""

_USE = """\
```python
import tensorflow as tf
import tensorflow_text  # the tokenizer's operations

model = tf.saved_model.load("1")
model.signatures["fill_mask"](text=tf.constant(["The [MASK] is open."]))
```

Without `import tensorflow_text`, loading ends with `Op type not registered`: it is what registers them.

```bash
{docker}

curl -d '{{"instances": [{{"text": "The [MASK] is open."}}]}}' localhost:8501/v1/models/{name}:predict
curl -d '{{"signature_name": "embed", "inputs": {{"text": ["One vector a text."]}}}}' \\
  localhost:8501/v1/models/{name}:predict
```"""


def export_saved_model(
    model: "BertPretrainer",
    folder: str,
    *,
    length: int = 128,
    top_k: int = 5,
    mask_slots: int = 8,
    version: int | None = None,
    model_folder: str | None = None,
) -> str:
    """Write a SavedModel that takes raw strings, as a numbered folder that TF Serving serves.

    Everything is inside: tokenizer, vocabulary, weights, each once, in float32. The signatures of a pre-trained model:

    * `fill_mask`, also `serving_default`: `text` to `tokens`, `scores`, `positions` of each `[MASK]`'s candidates
    * `embed`: `text` to `mean_pooled` and `cls`, vectors of length 1
    * `tokenize`: `text` to `token_ids`, `tokens`, `starts`, `ends`
    * `score`: `text` to `log_likelihood` and `pseudo_perplexity`, each token masked on its own
    * `next_sentence`: `text_a`, `text_b` to `label` and `probability`, where the model has that head
    * `fill_mask_ids`, `embed_ids`: `token_ids`, `segment_ids`, `padding_mask` int32 `(batch, length)`, for clients with
      their own tokenizer

    Texts are strings `(batch,)`, UTF-8 (bytes that are none count as unknown characters). What takes text also returns
    `token_count`, `truncated` and `unknown_count`, `(batch,)` each. Every output has the batch first and fixed widths;
    README.md in the folder lists them all. It loads with `import tensorflow_text` before `tf.saved_model.load`, with
    the TF 1 loader and TF Serving's. Where tensorflow-serving-api is installed, the server's warm-up requests are in
    it; the folder `serving` beside the numbers has the server's settings.

    Args:
        model: BertPretrainer with a tokenizer.
        folder: str, the model folder; the export is a numbered folder in it.
        length: int, the longest row in tokens, `[CLS]` and `[SEP]` included. Defaults to `128`.
        top_k: int, candidates a mask. Defaults to `5`.
        mask_slots: int, masks a text that are filled. Defaults to `8`.
        version: int, the number; by default the one after the highest that exists.
        model_folder: str, the folder whose figures the card repeats; by default `folder`.

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
    signatures = signatures_of(model, length=length, top_k=top_k, mask_slots=mask_slots)
    path = numbered(folder, version)
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
        use = _USE.format(name=name, docker=docker_command(name))
        card = export_card(
            model, signatures, name=name, kind="SavedModel", about=_ABOUT, use=use, length=length,
            model_folder=model_folder or folder,
        )  # fmt: skip
        with tf.io.gfile.GFile(tf.io.gfile.join(aside, CARD), "w") as file:
            file.write(card)
        write_serving_files(folder, name)
    return path
