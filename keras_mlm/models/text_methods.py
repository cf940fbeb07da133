"""What a pre-trained model does with plain strings."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_mlm.errors import InputError
from keras_mlm.models.candidate import Candidate
from keras_mlm.models.row_batches import row_batches


class TextMethods:
    """Text in, answers out, for a model with a `tokenizer`, a `config` and a `backbone`.

    Example:
        ```python
        model = load_model("saved_models/news")
        model.fill_mask(["Paris is the [MASK] of France ."], top_k=3)
        ```
    """

    config: Any
    tokenizer: Any
    backbone: Any

    def fill_mask(self, texts: str | Sequence[str], top_k: int = 5) -> list[list[list[Candidate]]]:
        """Return the most probable tokens for every `[MASK]` of every text.

        Each mask is filled on its own: two masks in a text do not know of each other's candidates.

        Args:
            texts: str or sequence of str; each holds at least one `[MASK]`.
            top_k: int, candidates a mask. Defaults to `5`.

        Returns:
            A list over texts of lists over masks of `top_k` candidates, the most probable first.

        Raises:
            InputError: a text has no `[MASK]` or more tokens than the model has positions; the message names it.

        Example:
            ```python
            for candidate in model.fill_mask("Paris is the [MASK] of France .")[0][0]:
                print(candidate.token, candidate.score)
            ```
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        if not 1 <= top_k <= self.config.vocabulary_size:
            raise InputError(f"top_k must be between 1 and {self.config.vocabulary_size}, not {top_k}")
        rows = self._rows(texts, mask_tokens=True)
        positions = [np.flatnonzero(row == self.tokenizer.mask_token_id) for row in rows]
        for text, found in zip(texts, positions, strict=True):
            if not len(found):
                raise InputError(f"no [MASK] in the text {_short(text)}: write [MASK] where a word is to be filled in")
        answers: list[list[list[Candidate]]] = [[] for _ in texts]
        for indices, batch in self._batches(rows):
            slots = max(len(positions[index]) for index in indices)
            padded = np.stack([np.resize(positions[index], slots) for index in indices])
            scores, ids = ops.top_k(ops.softmax(self._masked_lm_logits(batch, padded)), top_k)
            for index, row_scores, row_ids in zip(indices, _numpy(scores), _numpy(ids), strict=True):
                answers[index] = [
                    [Candidate(self.tokenizer.id_to_token(int(i)), float(s)) for i, s in zip(*slot, strict=True)]
                    for slot in zip(row_ids[: len(positions[index])], row_scores, strict=False)
                ]
        return answers

    def embed(self, texts: str | Sequence[str]) -> np.ndarray:
        """Return one vector a text: the mean of the last layer over its tokens, `[CLS]` and `[SEP]` left out.

        Args:
            texts: str or sequence of str. A text without any token gives zeros.

        Returns:
            float32 array of shape `(batch, hidden)`.

        Raises:
            InputError: a text has more tokens than the model has positions; the message names it.

        Example:
            ```python
            a, b = model.embed(["A cat sat down .", "A dog sat down ."])
            ```
        """
        rows = self._rows([texts] if isinstance(texts, str) else list(texts))
        vectors = np.zeros((len(rows), self.config.hidden_dim), "float32")
        for indices, batch in self._batches(rows):
            hidden = _numpy(self.backbone(batch, training=False)["sequence_output"]).astype("float32")
            lengths = batch["padding_mask"].sum(axis=1, keepdims=True)
            place = np.arange(hidden.shape[1])[None, :]
            inner = ((place > 0) & (place < lengths - 1)).astype("float32")
            vectors[indices] = np.einsum("bl,blh->bh", inner, hidden) / np.maximum(inner.sum(1, keepdims=True), 1)
        return vectors

    def pseudo_perplexity(self, texts: str | Sequence[str]) -> np.ndarray:
        """Return how surprising each text is: exp of the mean loss of its tokens, each masked on its own.

        Args:
            texts: str or sequence of str. A text without any token gives NaN.

        Returns:
            float32 array of shape `(batch,)`; 1 is a text whose every token the model was sure of.

        Raises:
            InputError: a text has more tokens than the model has positions; the message names it.

        Example:
            ```python
            model.pseudo_perplexity(["Paris is the capital of France .", "France capital the of is Paris ."])
            ```

        References:
            - [Masked language model scoring](https://arxiv.org/abs/1910.14659)
        """
        rows = self._rows([texts] if isinstance(texts, str) else list(texts))
        # One row a token: (which text, which position).
        owners = np.concatenate([np.full(len(row) - 2, index) for index, row in enumerate(rows)] or [np.zeros(0, int)])
        places = np.concatenate([np.arange(1, len(row) - 1) for row in rows] or [np.zeros(0, int)])
        losses = np.zeros(len(owners))
        for indices, batch in self._batches([rows[owner] for owner in owners]):
            position = places[indices][:, None]
            labels = np.take_along_axis(batch["token_ids"], position, axis=1)
            np.put_along_axis(batch["token_ids"], position, self.tokenizer.mask_token_id, axis=1)
            log_probabilities = _numpy(ops.log_softmax(self._masked_lm_logits(batch, position)))[:, 0]
            losses[indices] = -np.take_along_axis(log_probabilities, labels, axis=1)[:, 0]
        counts = np.bincount(owners, minlength=len(rows))
        sums = np.bincount(owners, weights=losses, minlength=len(rows))
        return np.where(counts > 0, np.exp(sums / np.maximum(counts, 1)), np.nan).astype("float32")

    def _rows(self, texts: list[str], *, mask_tokens: bool = False) -> list[np.ndarray]:
        if self.tokenizer is None:
            raise InputError("the model has no tokenizer: load it with load_model, or set model.tokenizer")
        if not texts:
            return []
        ragged = self.tokenizer.tokenize(texts, mask_tokens=mask_tokens)
        flat, splits = _numpy(ragged.values), _numpy(ragged.row_splits)
        limit = self.config.max_sequence_length - 2
        for text, tokens in zip(texts, np.diff(splits), strict=True):
            if tokens > limit:
                raise InputError(
                    f"the text {_short(text)} has {tokens} tokens, more than the {limit} the model takes: split it"
                )
        first, last = [self.tokenizer.cls_token_id], [self.tokenizer.sep_token_id]
        return [np.concatenate([first, row, last]).astype("int32") for row in np.split(flat, splits[1:-1])]

    def _batches(self, rows: list[np.ndarray]) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Give (indices of rows, padded batch), the shortest rows first."""
        single = [{"token_ids": row, "segment_ids": np.zeros_like(row)} for row in rows]
        return row_batches(single, self.tokenizer.pad_token_id)

    def _masked_lm_logits(self, batch: dict[str, np.ndarray], mask_positions: np.ndarray) -> Any:
        inputs = {**batch, "mask_positions": mask_positions.astype("int32")}
        logits = self(inputs, training=False)["masked_lm"]  # type: ignore[operator]
        return ops.cast(logits, "float32")


def _numpy(values: Any) -> np.ndarray:
    return ops.convert_to_numpy(values) if not isinstance(values, np.ndarray) else values


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
