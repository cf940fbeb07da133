from keras_mlm.data.cleaning.repeats import without_repeated_documents, without_repeated_lines
from keras_mlm.data.documents import Document
from keras_mlm.data.left_out import LeftOut

LONG = "This line of eight words is found twice."
CHINESE = "这一行有八个以上的字。"


def test_documents():
    documents = [Document("a", 1, ["One.", "Two."]), Document("a", 4, ["one. two."]), Document("a", 6, ["Two."])]
    left_out = LeftOut()
    assert list(without_repeated_documents(documents, left_out)) == [documents[0], documents[2]]
    assert left_out.samples == {"duplicate_documents": ["a, line 4: one. two."]}


def test_lines_of_eight_words_that_were_there_before():
    documents = [
        Document("a", 1, ["Short.", LONG, CHINESE, LONG.upper()]),
        Document("b", 5, ["Short.", CHINESE, "But this other line of nine words is new."]),
        Document("b", 9, [LONG]),
    ]
    left_out = LeftOut()
    assert list(without_repeated_lines(documents, left_out)) == [
        Document("a", 1, ["Short.", LONG, CHINESE]),
        Document("b", 5, ["Short.", documents[1].lines[2]]),
    ]
    assert left_out.counts == {"repeated_lines": 3, "emptied_documents": 1}
    assert left_out.samples["repeated_lines"][1] == f"b, line 5: {CHINESE}"
    assert left_out.places["repeated_lines"] == ["a, line 1", "b, line 5", "b, line 9"]
