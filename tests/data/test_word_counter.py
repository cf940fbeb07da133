from keras_mlm.data.document_spool import DocumentSpool
from keras_mlm.data.held_out import HeldOut
from keras_mlm.data.word_counter import WordCounter


def test_held_out_documents_and_those_beyond_the_share_are_not_counted(tmp_path):
    spool = DocumentSpool(str(tmp_path))
    held_out = HeldOut(0.2)
    # The smallest fingerprint is held out; the low 16 bits of the others decide whether they are in half of all.
    documents = {-(2**40): "Held out", 5: "Low LOW", 0x7FFF: "edge", 0x8000: "beyond", (7 << 16) + 9: "low 我们"}
    for fingerprint, line in documents.items():
        held_out.offer(fingerprint, len(line))
        spool.append(fingerprint, [line, "twice"], "a.txt, line 1")
        spool.close()  # a split of its own
    held_out.choose()
    held_out.save(str(tmp_path))
    half = WordCounter(str(tmp_path), 0.5, {"normalization": "fast"})
    for split in spool.splits:
        half(split)
    assert half.of(spool.splits) == {"low": 3, "edge": 1, "我": 1, "们": 1, "twice": 3}
    everything = WordCounter(str(tmp_path), 1.0, {"normalization": "fast", "lowercase": False})
    for split in spool.splits:
        everything(split)
    assert everything.of(spool.splits)["beyond"] == 1 and everything.of([]) == {}
    assert not list(tmp_path.glob("*.words"))
