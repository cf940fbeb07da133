import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.data.shard_writer import ShardWriter
from keras_mlm.data.token_record import TokenRecord, read_records, serialize_record, token_dtype_for
from keras_mlm.errors import InputError


def record(document_id, token_ids, words=None, sentences=None):
    count = len(token_ids)
    starts = np.zeros(count, bool) if sentences is None else np.array(sentences, bool)
    starts[0] = True
    return TokenRecord(
        document_id, np.array(token_ids, "int32"), np.ones(count, bool) if words is None else np.array(words), starts
    )


def write(folder, records, token_dtype="uint16", **options):
    with ShardWriter(str(folder), "training", token_dtype, **options) as writer:
        for one in records:
            writer.write(one)
    return writer.shards


@pytest.mark.parametrize(("size", "dtype"), [(5, "uint16"), (65_536, "uint16"), (65_537, "int32")])
def test_ids_are_stored_as_narrow_as_they_fit(tmp_path, size, dtype):
    assert token_dtype_for(size) == dtype
    write(tmp_path, [record(3, [0, size - 1, 7], [True, False, True], [True, False, True])], dtype)
    (found,) = read_records(str(tmp_path / "training-00000.tfrecord"), dtype)
    assert found.document_id == 3
    assert found.token_ids.tolist() == [0, size - 1, 7]
    assert found.token_ids.dtype == np.int32
    assert found.word_starts.tolist() == [True, False, True]
    assert found.sentence_starts.tolist() == [True, False, True]


def test_a_shard_decodes_in_one_operation():
    data = [serialize_record(record(i, list(range(i, i + 3))), "uint16") for i in range(4)]
    features = {name: tf.io.FixedLenFeature((), tf.string) for name in ("token_ids", "word_starts", "sentence_starts")}
    parsed = tf.io.parse_example(data, features | {"document_id": tf.io.FixedLenFeature((), tf.int64)})
    ids = tf.io.decode_raw(tf.strings.reduce_join(parsed["token_ids"]), tf.uint16)
    starts = tf.io.decode_raw(tf.strings.reduce_join(parsed["sentence_starts"]), tf.uint8)
    assert ids.numpy().tolist() == [0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5]
    assert starts.numpy().tolist() == [1, 0, 0] * 4
    assert parsed["document_id"].numpy().tolist() == [0, 1, 2, 3]


def test_shards_are_bounded_and_counted(tmp_path):
    records = [record(i, [1] * (10 + i % 3)) for i in range(50)]
    shards = write(tmp_path, records, shard_bytes=1000)
    assert len(shards) > 3
    assert [shard.file for shard in shards] == [f"training-{i:05d}.tfrecord" for i in range(len(shards))]
    found = []
    for shard in shards:
        path = tmp_path / shard.file
        assert shard.bytes == path.stat().st_size <= 1000 + 16 * shard.records  # TFRecord's own 16 bytes a record
        lengths = [len(one.token_ids) for one in read_records(str(path), "uint16")]
        assert shard.record_lengths == sorted((length, lengths.count(length)) for length in set(lengths))
        assert (shard.records, shard.tokens) == (len(lengths), sum(lengths))
        found += lengths
    assert found == [len(one.token_ids) for one in records]
    assert sorted(path.name for path in tmp_path.iterdir()) == [shard.file for shard in shards]


def test_a_failure_leaves_no_open_shard(tmp_path):
    with pytest.raises(KeyError), ShardWriter(str(tmp_path), "training", "uint16") as writer:
        writer.write(record(0, [1]))
        raise KeyError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "flip", "foreign", "unequal"])
def test_a_damaged_shard_is_named(tmp_path, damage):
    write(tmp_path, [record(i, [1, 2, 3]) for i in range(5)])
    path = tmp_path / "training-00000.tfrecord"
    data = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(data[:-7])
    elif damage == "flip":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    else:
        one = record(0, [1, 2, 3])
        bad = TokenRecord(0, one.token_ids, one.word_starts[:2], one.sentence_starts)
        with tf.io.TFRecordWriter(str(path)) as writer:
            writer.write(b"no example" if damage == "foreign" else serialize_record(bad, "uint16"))
    with pytest.raises(InputError, match=r"training-00000\.tfrecord is damaged at record \d"):
        list(read_records(str(path), "uint16"))


def test_a_missing_shard_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.tfrecord is missing"):
        list(read_records(str(tmp_path / "gone.tfrecord"), "uint16"))
