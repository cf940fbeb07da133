import numpy as np
import pytest

from keras_mlm.baselines.fewer_examples import fewer_examples
from keras_mlm.errors import InputError


def texts(count, start, classes):
    numbers = np.arange(start, start + count)
    return [f"text {number}" for number in numbers], numbers % classes


DATA = {"train": texts(900, 0, 30), "dev": texts(100, 900, 30), "judged": texts(50, 1000, 30)}


def test_a_tenth_of_them_is_to_choose_by_and_all_are_whole():
    few = fewer_examples(DATA, 50, seed=3)
    assert {name: len(inputs) for name, (inputs, _) in few.items()} == {"train": 45, "dev": 5, "judged": 50}
    for name in few:
        for text, label in zip(*few[name], strict=True):
            assert DATA[name][1][DATA[name][0].index(text)] == label
        assert len(set(few[name][0])) == len(few[name][0])
    assert set(few["dev"][1]) <= set(few["train"][1]) < set(range(30))


def test_more_are_the_fewer_and_others_and_seeds_differ():
    few, more, other = (fewer_examples(DATA, count, seed) for count, seed in ((50, 0), (200, 0), (50, 1)))
    assert more["train"][0][:45] == few["train"][0] != other["train"][0]


def test_sentences_to_choose_by_have_tags_that_are_learned():
    tags = [["A", "B"]] * 89 + [["C"]] + [["B", "C"]] * 9 + [["B"]]
    sentences = ([["w"] * len(some) for some in tags], tags)
    few = fewer_examples({"train": sentences, "dev": sentences, "judged": sentences}, 20, seed=0)
    known = {tag for some in few["train"][1] for tag in some}
    assert len(few["train"][1]) == 18 and len(few["dev"][1]) == 2
    assert all(known.issuperset(some) for some in few["dev"][1])


@pytest.mark.parametrize(
    ("count", "words"),
    [(1001, "901 to learn from and 100 to choose by, but there are 900"), (1, "nothing to tell apart"), (0, "nothing")],
)
def test_what_cannot_be_drawn_is_said(count, words):
    with pytest.raises(InputError, match=f"--examples {count}: .*{words}"):
        fewer_examples(DATA, count, seed=0)
