import pytest

from keras_mlm.errors import InputError
from keras_mlm.layers.preprocessing.masked_lm_mask_generator import MaskedLMMaskGenerator
from keras_mlm.tokenizers.annotator import Annotator
from keras_mlm.visualize.masked_tokens import STRATEGIES, masked_tokens
from keras_mlm.visualize.masking_figure import KINDS, masking_figure

TEXTS = ["Paris is the capital of france . " * 6, "a b c d e the $ 中国 . " * 5]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_rows_are_masked_as_the_layer_masks_them(tokenizer, strategy):
    rows = masked_tokens(tokenizer, TEXTS, strategy=strategy, seed=5, epoch=2, mask_selection_rate=0.3)
    special = tokenizer.special_token_ids
    masker = MaskedLMMaskGenerator(
        tokenizer.vocabulary_size, 0.3, tokenizer.mask_token_id, unselectable_token_ids=special, seed=5,
        strategy=strategy,
    )  # fmt: skip
    for index, row in enumerate(rows):
        ids = [tokenizer.token_to_id(token.original) for token in row]
        starts = [not token.original.startswith("##") for token in row]
        expected = masker({"token_ids": [ids], "word_starts": [starts], "example_index": [index], "epoch": [2]})
        assert [tokenizer.token_to_id(token.shown) for token in row] == expected["token_ids"].numpy()[0].tolist()
        weights = expected["mask_weights"].numpy()[0] > 0
        chosen = expected["mask_positions"].numpy()[0][weights].tolist()
        assert [place for place, token in enumerate(row) if token.kind in ("masked", "replaced", "kept")] == chosen
        assert row[0].kind == row[-1].kind == "special"
        for token in row:
            assert (token.shown == "[MASK]") == (token.kind == "masked")
            assert (token.shown == token.original) == (token.kind not in ("masked", "replaced"))


def test_words_of_an_annotator_are_masked_whole(tokenizer):
    pairs = Annotator("pairs", lambda texts: ([["中国"] * (len(text) // 2) for text in texts], None))
    whole = 0
    for seed in range(8):
        for annotator in (pairs, None):
            key = {"strategy": "whole_word", "seed": seed, "mask_selection_rate": 0.2}
            (row,) = masked_tokens(tokenizer, ["中国" * 10], annotator=annotator, **key)
            selected = [token.kind in ("masked", "replaced", "kept") for token in row[1:-1]]
            together = selected[::2] == selected[1::2]
            assert any(selected) and (together or annotator is None)
            whole += together
    assert whole < 16, "characters alone would not fall in pairs by chance each time"


def test_seeds_and_epochs_mask_differently_and_the_same_ones_alike(tokenizer):
    def shown(**key):
        return [[token.shown for token in row] for row in masked_tokens(tokenizer, TEXTS, **key)]

    assert shown(seed=1) == shown(seed=1)
    assert len({str(shown(**key)) for key in ({"seed": 1}, {"seed": 2}, {"seed": 1, "epoch": 1})}) == 3


def test_long_texts_are_cut_and_a_literal_mask_is_never_selected(tokenizer):
    (row,) = masked_tokens(tokenizer, ["[MASK] a " * 10_000], length=64, mask_selection_rate=0.9)
    assert len(row) == 64
    assert {token.kind for token in row if token.original == "[MASK]"} == {"special"}


def test_the_figure_colours_each_token_by_what_became_of_it(tokenizer):
    from matplotlib.colors import to_hex

    rows = masked_tokens(tokenizer, TEXTS, mask_selection_rate=0.4, seed=1)
    tokens = [token for row in rows for token in row]
    assert {token.kind for token in tokens} == set(KINDS)
    figure = masking_figure(tokenizer, TEXTS, mask_selection_rate=0.4, seed=1)
    axes = figure.axes[0]
    assert [to_hex(patch.get_facecolor()) for patch in axes.patches] == [KINDS[token.kind][1] for token in tokens]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    for (kind, (name, _)), entry in zip(KINDS.items(), legend, strict=True):
        assert entry == f"{sum(token.kind == kind for token in tokens)} {name}"
    written = [text.get_text() for text in axes.texts]
    selected = sum(token.kind in ("masked", "replaced", "kept") for token in tokens)
    assert len(written) == len(tokens) + selected, "what stood there is written above"
    assert max(patch.get_x() + patch.get_width() for patch in axes.patches) <= axes.get_xlim()[1]


def test_bad_arguments_are_said(tokenizer):
    with pytest.raises(InputError, match="no texts"):
        masking_figure(tokenizer, [])
    with pytest.raises(InputError, match="whole_word"):
        masking_figure(tokenizer, "a b", strategy="words")
    with pytest.raises(InputError, match="mask_selection_rate"):
        masking_figure(tokenizer, "a b", mask_selection_rate=2.0)
    with pytest.raises(InputError, match="seed"):
        masking_figure(tokenizer, "a b", seed=0.5)
    with pytest.raises(InputError, match="lines"):
        masking_figure(tokenizer, ["a b"] * 300)
