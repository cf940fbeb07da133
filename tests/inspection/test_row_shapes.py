import numpy as np
import pytest

from keras_mlm.data.pretraining_dataset import PretrainingDataset


@pytest.mark.parametrize("layout", ["pairs", "single", "packed"])
def test_padding_is_that_of_an_epoch_of_the_dataset(inspection, layout):
    (shape,) = [shape for shape in inspection.shapes if shape.layout == layout]
    data = PretrainingDataset(
        inspection.folder,
        length=shape.length,
        batch_size=7,
        next_sentence=layout == "pairs",
        packed=layout == "packed",
        seed=3,
    )
    batches = list(data.keyed_batches().take(-(-data.rows // 7)).as_numpy_iterator())
    masks = np.concatenate([batch["padding_mask"][batch["epoch"] == 0] for batch in batches])
    assert masks.shape == (shape.rows, 24) and shape.rows == shape.measured == data.rows
    assert 0 < shape.padding < 1
    assert shape.padding == pytest.approx(1 - masks.mean(), abs=1e-12)
