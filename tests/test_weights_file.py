import h5py
import numpy as np
import pytest

from keras_mlm.errors import InputError
from keras_mlm.weights_file import check_weights_file


def external_link(file, secret):
    file["layers/vars/1"] = h5py.ExternalLink(secret, "numbers")


def soft_link(file, secret):
    file["layers/vars/1"] = h5py.SoftLink("/layers/vars/0")


def external_storage(file, secret):
    file.create_dataset("layers/vars/1", (4,), "float32", external=[(secret, 0, 16)])


def virtual_dataset(file, secret):
    layout = h5py.VirtualLayout((4,), "float32")
    layout[:] = h5py.VirtualSource(secret, "numbers", (4,))
    file.create_virtual_dataset("layers/vars/1", layout)


def objects(file, secret):
    file["layers/vars/1"] = ["a string"]


def bomb(file, secret):
    file.create_dataset("layers/vars/1", (1_000_000, 1_000_000), "float32", chunks=(1000, 1000), fillvalue=1.0)


def compressed(file, secret):
    file.create_dataset("layers/vars/1", data=np.zeros(1_000_000, "float32"), compression="gzip")


def named_type(file, secret):
    file["layers/vars/1"] = np.dtype("float32")


def group_in_itself(file, secret):
    file["layers/vars/again"] = file["layers"]


def test_plain_numbers_pass(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["layers/vars/0"] = np.ones((3, 4), "float32")
        file["layers/vars/1"] = np.zeros(2, "uint32")
    check_weights_file(str(tmp_path / "w.h5"))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (external_link, "/layers/vars/1"),
        (soft_link, "/layers/vars/1"),
        (external_storage, "/layers/vars/1"),
        (virtual_dataset, "/layers/vars/1"),
        (objects, "/layers/vars/1"),
        (bomb, "declares"),
        (compressed, "declares"),
        (named_type, "/layers/vars/1"),
        (group_in_itself, "twice"),
    ],
)
def test_what_is_not_its_own_plain_numbers_is_refused(tmp_path, entry, message):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["numbers"] = np.arange(4, dtype="float32")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["layers/vars/0"] = np.ones((3, 4), "float32")
        entry(file, str(tmp_path / "secret.h5"))
    with pytest.raises(InputError, match=message) as caught:
        check_weights_file(str(tmp_path / "w.h5"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04" * 100])
def test_what_is_no_hdf5_file_is_refused(tmp_path, data):
    (tmp_path / "w.h5").write_bytes(data)
    with pytest.raises(InputError, match=r"w\.h5 is damaged or no HDF5 file"):
        check_weights_file(str(tmp_path / "w.h5"))
