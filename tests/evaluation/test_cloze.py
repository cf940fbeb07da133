import keras
import numpy as np
import pytest

from keras_mlm.data.manifest import Manifest
from keras_mlm.data.token_record import TokenRecord, read_records
from keras_mlm.errors import InputError
from keras_mlm.evaluation import cloze as module
from keras_mlm.evaluation.cloze import cloze, cloze_questions
from keras_mlm.models.bert_pretrainer import BertPretrainer


@pytest.fixture(scope="module")
def records(corpus):
    manifest = Manifest.load(corpus)
    return [
        record
        for path in manifest.shard_paths(corpus, "validation")
        for record in read_records(path, manifest.token_dtype)
    ]


@pytest.fixture(scope="module")
def ordinary(tokenizer):
    return np.array([token.isalpha() for token in tokenizer.vocabulary])


def choose(records, ordinary, count=100, seed=0):
    return module._choose(iter(records), ordinary, count, seed, 60)


def test_the_choice_depends_on_the_seed_and_not_on_the_order(records, ordinary):
    def plain(chosen):
        return [(ids.tolist(), place) for ids, place in chosen]

    first = plain(choose(records, ordinary, 50))
    assert len(first) == 50
    assert plain(choose(records[::-1], ordinary, 50)) == first
    assert plain(choose(records + records, ordinary, 50)) == first, "a sentence that occurs twice is asked once"
    assert plain(choose(records, ordinary, 20)) == first[:20]
    assert plain(choose(records, ordinary, 50, seed=1)) != first


def test_only_whole_ordinary_words_are_masked(records, ordinary, tokenizer):
    masked = []
    for ids, place in choose(records, ordinary):
        tokens = [tokenizer.vocabulary[index] for index in ids]
        assert len(tokens) >= 6
        assert tokens[-1] == "."
        assert tokens[place].isalpha()
        assert place + 1 == len(tokens) or not tokens[place + 1].startswith("##"), "the word is longer"
        masked.append(place)
    assert len(set(masked)) > 5, "the word is drawn, not always the same place"


def test_a_sentence_without_such_a_word_is_left_out(ordinary, tokenizer):
    ids = np.array([tokenizer.token_to_id(token) for token in ["worda", "##s", "12", ",", ",", "."]], "int32")
    record = TokenRecord(0, ids, np.array([1, 0, 1, 1, 1, 1], bool), np.array([1, 0, 0, 0, 0, 0], bool))
    assert choose([record], ordinary) == []


def test_hits_are_the_words_among_the_best_of_fill_mask(corpus, model, records, ordinary, tokenizer):
    found = cloze(model, corpus)
    assert found == cloze(model, corpus)
    top1 = top5 = 0
    chosen = choose(records, ordinary)
    for ids, place in chosen:
        row = np.array([[tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]])
        row[0, place + 1] = tokenizer.mask_token_id
        inputs = {
            "token_ids": row,
            "segment_ids": 0 * row,
            "padding_mask": row >= 0,
            "mask_positions": np.array([[place + 1]]),
        }
        best = np.argsort(-keras.ops.convert_to_numpy(model(inputs, training=False)["masked_lm"])[0, 0])
        top1 += int(ids[place] == best[0])
        top5 += int(ids[place] in best[:5])
    assert found == {"cloze_sentences": len(chosen), "cloze_top1": top1, "cloze_top5": top5}
    assert 0 < top5 < len(chosen)


def test_questions_are_the_same_sentences_as_text(corpus, tokenizer, records, ordinary):
    questions = cloze_questions(tokenizer, corpus, sentences=5)
    for question, (ids, place) in zip(questions, choose(records, ordinary, 5), strict=True):
        assert question.text.count("[MASK]") == 1
        expected = [*ids[:place], tokenizer.mask_token_id, *ids[place + 1 :]]
        assert tokenizer.tokenize(question.text, mask_tokens=True).numpy().tolist() == expected
        assert question.answer == tokenizer.id_to_token(ids[place])


def test_an_example_to_type_survives_a_shell(corpus, tokenizer, monkeypatch):
    texts = ["a $HOME [MASK]", 'say "[MASK]"', "`[MASK]`", "no \\ [MASK]", "oh [MASK]!", "the [MASK] ends (it's so)."]
    monkeypatch.setattr(module, "cloze_questions", lambda *_, **__: [module.Question(text, "word") for text in texts])
    assert module.example_to_type(tokenizer, corpus) == texts[-1]
    del texts[-1]
    assert module.example_to_type(tokenizer, corpus) == "[MASK]"


def test_a_model_that_knows_nothing_hits_nothing(corpus, model):
    blank = BertPretrainer(model.config, tokenizer=model.tokenizer)
    blank.set_weights([np.zeros_like(weight) for weight in blank.get_weights()])
    assert cloze(blank, corpus)["cloze_top5"] == 0, "a tie is no hit"


def test_too_little_held_out_text_asks_nothing(corpus, model, monkeypatch):
    monkeypatch.setattr(module, "_SHORTEST", 1000)
    assert cloze(model, corpus) == {"cloze_sentences": 0, "cloze_top1": 0, "cloze_top5": 0}
    assert cloze_questions(model.tokenizer, corpus, sentences=5) == []


def test_another_vocabulary_is_refused(corpus, model):
    with pytest.raises(InputError, match="no tokenizer"):
        cloze(BertPretrainer(model.config), corpus)
