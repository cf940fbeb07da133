import io

import numpy as np
import pytest
from keras import ops

from keras_mlm.errors import InputError
from keras_mlm.visualize.attention_figure import MOST_TOKENS, attention_figure, attention_panels
from keras_mlm.visualize.attention_scores import attention_scores

TEXT = "Paris is the [MASK] of france ."


def replay(model, inputs, scores):
    """The encoder once more, layer by layer: (what attention gives, what the probabilities times its values give)."""
    backbone = model.backbone
    attention_mask = None
    if "sequence_ids" in inputs:
        ids = inputs["sequence_ids"]
        attention_mask = (ids[:, :, None] == ids[:, None, :]) & (ids > 0)[:, None, :]
    masks = {"padding_mask": inputs["padding_mask"], "attention_mask": attention_mask}
    x = backbone.embeddings(inputs["token_ids"], inputs.get("segment_ids"), inputs.get("position_ids"))
    for number, block in enumerate(backbone.encoder_blocks):
        layer = block.attention
        seen = np.asarray(block.attention_norm(x) if block.norm == "pre" else x)
        kernel = np.asarray(layer.query_key_value.kernel)[:, 2 * layer.hidden_dim :]
        bias = np.asarray(layer.query_key_value.bias)[2 * layer.hidden_dim :] if layer.biases else 0.0
        values = (seen @ kernel + bias).reshape(*seen.shape[:2], layer.num_heads, layer.head_dim)
        attended = np.einsum("bhij,bjhd->bihd", scores[:, number], values).reshape(seen.shape)
        yield layer(seen, **masks), layer.output_dense(attended)
        x = block(x, **masks)
    final = x if backbone.final_norm is None else backbone.final_norm(x)
    np.testing.assert_allclose(final, backbone(inputs)["sequence_output"], atol=1e-5)


def test_probabilities_times_the_layers_values_are_the_layers_output(model_of_style):
    model = model_of_style
    tokens, scores = attention_scores(model, ("Paris is the [MASK] .", "a b c"))
    assert " ".join(tokens) == "[CLS] paris is the [MASK] . [SEP] a b c [SEP]"
    np.testing.assert_allclose(scores.sum(axis=-1), 1.0, atol=1e-5)
    row = np.array([[model.tokenizer.token_to_id(token) for token in tokens]])
    inputs = {
        "token_ids": row,
        "segment_ids": np.array([[0] * 7 + [1] * 4]),
        "padding_mask": np.ones(row.shape, bool),
    }
    pairs = list(replay(model, inputs, scores[None]))
    assert len(pairs) == len(scores) == 2
    for given, expected in pairs:
        np.testing.assert_allclose(given, expected, atol=1e-5)
        assert np.abs(given).max() > 0.1, "outputs that a wrong picture could not give"


def test_the_same_holds_for_rows_that_several_texts_share(model_of_style):
    sequence_ids = np.array([[1, 1, 1, 2, 2, 2, 2, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1, 1]])
    inputs = {
        "token_ids": np.random.default_rng(1).integers(5, 20, (2, 9)),
        "sequence_ids": sequence_ids,
        "position_ids": np.array([[0, 1, 2, 0, 1, 2, 3, 0, 0], list(range(9))]),
        "padding_mask": sequence_ids > 0,
    }
    scores = ops.convert_to_numpy(model_of_style.backbone(inputs, return_attention_scores=True)["attention_scores"])
    assert scores[0, :, :, :3, 3:].max() == 0 and scores[0, :, :, 3:7, :3].max() == 0
    for given, expected in replay(model_of_style, inputs, scores):
        real = sequence_ids > 0
        np.testing.assert_allclose(np.asarray(given)[real], np.asarray(expected)[real], atol=1e-5)


def written(figure):
    """The texts of a figure: (x, y) of each by what it says."""
    found = {}
    for text in figure.axes[0].texts:
        found.setdefault(text.get_text(), []).append(text.get_position())
    return found


def heat_maps(figure):
    """The heat maps of a figure, without the scale beside them."""
    return figure.axes[0].images[:-1]


def test_one_head_is_drawn_as_it_is(model):
    tokens, scores = attention_scores(model, TEXT)
    figure = attention_figure(model, TEXT, layer=-1, head=2)
    (image,) = heat_maps(figure)
    np.testing.assert_array_equal(image.get_array(), scores[1, 2])
    assert image.get_clim() == (0.0, pytest.approx(float(scores[1, 2].max())))
    left, right, bottom, top = image.get_extent()
    assert (right - left, bottom - top) == (len(tokens), len(tokens))
    texts = written(figure)
    assert "layer 1, head 2" in texts and f"{scores[1, 2].max():.0%}" in texts
    for number, token in enumerate(tokens):
        places = texts[token]
        assert any(x < left and y == pytest.approx(top + number + 0.5) for x, y in places), "beside its row"
        assert any(y < top and x == pytest.approx(left + number + 0.5) for x, y in places), "above its column"


@pytest.mark.parametrize(
    ("layer", "head", "titles"),
    [
        (None, None, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]),
        (0, None, [(0, 0), (0, 1), (0, 2)]),
        (None, 1, [(0, 1), (1, 1)]),
    ],
)
def test_without_a_layer_or_head_all_are_drawn_on_one_scale_each_under_its_title(model, layer, head, titles):
    _, scores = attention_scores(model, TEXT)
    for lines in (False, True):
        texts = written(attention_figure(model, TEXT, layer, head, lines=lines))
        named = [text for text in texts if text.startswith("layer ")]
        assert named == [f"layer {one}, head {other}" for one, other in titles]
    figure = attention_figure(model, TEXT, layer, head)
    assert len(heat_maps(figure)) == len(titles)
    for image, (at_layer, at_head) in zip(heat_maps(figure), titles, strict=True):
        np.testing.assert_array_equal(image.get_array(), scores[at_layer, at_head])
        left, right, _, top = image.get_extent()
        ((x, y),) = written(figure)[f"layer {at_layer}, head {at_head}"]
        assert left < x < right and y < top
    assert len({image.get_clim() for image in heat_maps(figure)}) == 1


def test_lines_lead_from_the_token_that_looks_and_are_as_strong_as_the_probability():
    scores = np.array([[[[0.75, 0.25, 0.0], [0.0, 1.0, 0.0], [0.5, 0.0, 0.5]]]])
    figure = attention_panels(["x", "y", "z"], scores, 0, 0, lines=True, families=["DejaVu Sans"])
    row_of = {round(y, 3): number for number, token in enumerate("xyz") for _, y in written(figure)[token]}
    (lines,) = figure.axes[0].collections
    drawn = {}
    for path, colour in zip(lines.get_paths(), lines.get_edgecolors(), strict=True):
        for (from_x, from_y), (to_x, to_y) in path.vertices.reshape(-1, 2, 2):
            assert from_x < to_x
            drawn[row_of[round(from_y, 3)], row_of[round(to_y, 3)]] = colour[3]
    assert drawn == {(0, 0): 0.75, (0, 1): 0.25, (1, 1): 1.0, (2, 0): 0.5, (2, 2): 0.5}


def test_dollars_are_no_formulas_and_chinese_needs_a_font_or_is_numbered(model):
    text = "$ a $ 中"
    figure = attention_figure(model, text, 0, 0)
    texts = written(figure)
    assert [len(texts[token]) for token in ("[CLS]", "$", "a")] == [2, 4, 2]
    assert "中" in texts or "#4" in texts
    figure.savefig(io.BytesIO(), format="png")


def test_what_cannot_be_drawn_is_said(model):
    for layer, head, words in ((2, 0, "layers 0 to 1, not 2"), (0, -4, "heads 0 to 2, not -4")):
        with pytest.raises(InputError, match=words):
            attention_figure(model, TEXT, layer, head)
    with pytest.raises(InputError, match="no tokens"):
        attention_figure(model, " ")
    with pytest.raises(InputError, match=f"holds {MOST_TOKENS} tokens"):
        attention_figure(model, "a " * 100)
    with pytest.raises(InputError, match=r"10002 tokens .* more than the 200"):
        attention_figure(model, "a " * 10_000)


def test_a_model_without_tokenizer_says_what_to_do(model):
    bare = type(model).from_config(model.get_config())
    with pytest.raises(InputError, match="no tokenizer"):
        attention_scores(bare, TEXT)
