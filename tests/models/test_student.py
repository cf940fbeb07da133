import keras
import numpy as np
import pytest

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.student import (
    start_from_teacher,
    starting_blocks,
    student_config,
    style_of,
    teaching_blocks,
)

SIZES = {"num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "max_sequence_length": 12, "dropout": 0.1}


def pretrainer(seed, layers, **entries):
    keras.utils.set_random_seed(seed)
    model = BertPretrainer(BertConfig(30, num_layers=layers, **{**SIZES, **entries}))
    generator = np.random.default_rng(seed)
    for variable in model.weights:  # norms and biases, too, start anew in every model
        variable.assign(generator.normal(size=variable.shape, scale=0.3))
    return model


def test_a_student_differs_from_its_teacher_in_size_alone():
    teacher = BertConfig.from_preset("base", style="modern", vocabulary_size=70, max_sequence_length=64)
    for size, layers, hidden, heads in (("half", 6, 768, 12), ("tiny", 2, 128, 2), ("medium", 8, 512, 8)):
        found = student_config(teacher, size).to_dict()
        sizes = {"num_layers": layers, "hidden_dim": hidden, "num_heads": heads, "intermediate_dim": 4 * hidden}
        assert found == {**teacher.to_dict(), **sizes}
    pairs = BertConfig(70, num_layers=3, next_sentence=True)
    assert (student_config(pairs, "half").num_layers, student_config(pairs, "half").next_sentence) == (2, False)
    with pytest.raises(InputError, match="unknown student 'huge'; known are half, tiny, mini, small"):
        student_config(teacher, "huge")


@pytest.mark.parametrize("style", ["classic", "short_budget", "modern"])
def test_the_style_of_an_architecture(style):
    assert style_of(BertConfig.from_preset("tiny", style=style, vocabulary_size=70)) == style
    # What is no part of a style does not count; without all of its entries it is an earlier one.
    assert style_of(BertConfig.from_preset("mini", style=style, vocabulary_size=9, max_sequence_length=8)) == style


def test_blocks_are_evenly_spaced():
    assert teaching_blocks(4, 12) == [2, 5, 8, 11]  # TinyBERT's 3, 6, 9 and 12, from 1
    assert [teaching_blocks(*sizes) for sizes in ((1, 2), (2, 3), (2, 2), (4, 2))] == [
        [1],
        [1, 2],
        [0, 1],
        [0, 0, 1, 1],
    ]
    twelve, six, one, four = (BertConfig(30, num_layers=layers) for layers in (12, 6, 1, 4))
    assert starting_blocks(six, twelve) == [0, 2, 4, 7, 9, 11]  # DistilBERT's
    assert (starting_blocks(one, four), starting_blocks(four, four)) == ([0], [0, 1, 2, 3])
    assert starting_blocks(BertConfig(30, hidden_dim=128), twelve) == []


@pytest.mark.parametrize("entries", [{}, {"norm": "pre", "position": "rotary", "gated": True, "biases": False}])
def test_a_student_of_the_same_width_starts_from_its_teacher(entries):
    teacher, student = pretrainer(0, 4, **entries), pretrainer(1, 2, next_sentence=False, **entries)
    start_from_teacher(student, teacher)
    there = {variable.path: variable for variable in teacher.weights}
    blocks = 0
    for variable in student.weights:
        source = variable.path.replace("encoder_block_1/", "encoder_block_3/")
        blocks += source != variable.path
        np.testing.assert_array_equal(variable, there[source], err_msg=variable.path)
    assert blocks > 5
    # All layers of it: the same answers.
    twin = pretrainer(2, 4, next_sentence=False, **entries)
    start_from_teacher(twin, teacher)
    inputs = {
        "token_ids": np.array([[5, 6, 7, 8]]),
        "padding_mask": np.ones((1, 4), bool),
        "mask_positions": np.array([[2]]),
    }
    np.testing.assert_allclose(twin(inputs)["masked_lm"], teacher(inputs)["masked_lm"], atol=1e-5)


def test_a_student_of_another_width_keeps_its_start():
    teacher, student = pretrainer(0, 2), pretrainer(1, 2, hidden_dim=8, next_sentence=False)
    before = student.get_weights()
    start_from_teacher(student, teacher)
    for one, other in zip(before, student.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
