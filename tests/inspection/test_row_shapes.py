import numpy as np
import pytest

from keras_mlm.data.manifest import Manifest
from keras_mlm.data.pretraining_dataset import PretrainingDataset
from keras_mlm.inspection.row_shapes import RowShape, row_shapes

LENGTH = 24


@pytest.fixture(scope="module")
def shapes(corpus) -> dict[str, RowShape]:
    found = row_shapes(corpus, Manifest.load(corpus), [LENGTH], seed=3)
    assert [shape.length for shape in found] == [LENGTH] * 3
    return {shape.layout: shape for shape in found}


@pytest.mark.parametrize("layout", ["pairs", "single", "packed"])
def test_padding_is_that_of_an_epoch_of_the_dataset(corpus, shapes, layout):
    shape = shapes[layout]
    data = PretrainingDataset(
        corpus, length=LENGTH, batch_size=7, next_sentence=layout == "pairs", packed=layout == "packed", seed=3
    )
    batches = list(data.keyed_batches().take(-(-data.rows // 7)).as_numpy_iterator())
    masks = np.concatenate([batch["padding_mask"][batch["epoch"] == 0] for batch in batches])
    assert len(masks) == shape.rows == shape.measured == data.rows
    assert 0 < shape.padding < 1
    assert shape.padding == pytest.approx(1 - masks.mean(), abs=1e-12)
