import itertools

import numpy as np
import pytest

from keras_mlm.models.tag_decoder import TagDecoder
from keras_mlm.tag_scheme import first_illegal, scheme_of

SETS = [["B-X", "B-Y", "I-X", "I-Y", "O"], ["B-X", "E-X", "I-X", "O", "S-X"], ["NOUN", "VERB", "X", "ADJ", "ADV"]]


@pytest.mark.parametrize("classes", SETS)
@pytest.mark.parametrize("words", [1, 2, 5])
def test_it_is_the_best_of_all_legal_paths(classes, words):
    draw, scheme = np.random.default_rng(words), scheme_of(classes)
    changed = 0
    for _ in range(10):
        scores = np.log(draw.dirichlet(np.ones(len(classes)), words))
        legal = [
            path
            for path in itertools.product(range(len(classes)), repeat=words)
            if scheme is None or first_illegal([classes[number] for number in path], scheme) is None
        ]
        best = max(legal, key=lambda path: scores[np.arange(words), path].sum())
        found = TagDecoder(classes).decode(scores)
        assert found.tolist() == list(best)
        changed += found.tolist() != scores.argmax(axis=1).tolist()
    assert (changed > 0) == (scheme is not None)


def test_no_words_have_no_tags_and_tags_without_a_legal_path_get_one():
    assert TagDecoder(SETS[0]).decode(np.zeros((0, 5))).tolist() == []
    assert len(TagDecoder(["I-X", "E-X"]).decode(np.log([[0.5, 0.5], [0.9, 0.1]]))) == 2
