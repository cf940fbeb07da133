"""What a weights file may contain, checked before anything in it is read."""

from collections.abc import Iterator
from pathlib import Path

import h5py

from keras_mlm.errors import InputError


def check_weights_file(path: str) -> None:
    """Raise unless an HDF5 file holds plain numbers of its own and nothing else.

    HDF5 can make a dataset out of other files of the machine (external and soft links, external storage, virtual
    datasets), and can declare terabytes in a kilobyte; a file from a stranger could so read any file, or fill the
    memory. No value is read here.

    Args:
        path: str, a local HDF5 file.

    Raises:
        InputError: the file is damaged, or has an entry of another kind; the message names it.

    Example:
        ```python
        check_weights_file("saved_models/news/model.weights.h5")
        ```
    """
    try:
        with h5py.File(path, "r") as file:
            declared = 0
            for name, dataset in _datasets(file, path, set()):
                if dataset.external or dataset.is_virtual:
                    raise InputError(
                        f"{path} takes {name} from another file: refused, use a file from a source you trust"
                    )
                if dataset.dtype.kind not in "fiub":
                    raise InputError(f"{path} holds {dataset.dtype} in {name}, where only numbers belong: refused")
                declared += dataset.nbytes
    except (OSError, RuntimeError, KeyError) as error:
        raise InputError(f"{path} is damaged or no HDF5 file: fetch or train it again ({error})") from error
    size = Path(path).stat().st_size
    if declared > size:
        raise InputError(f"{path} declares {declared} bytes of weights but has {size}: refused")


def _datasets(group: h5py.Group, path: str, seen: set[int]) -> Iterator[tuple[str, h5py.Dataset]]:
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise InputError(f"{path} links {group.name.rstrip('/')}/{name} to another place: refused")
        child = group[name]
        if isinstance(child, h5py.Dataset):
            yield child.name, child
        elif isinstance(child, h5py.Group):
            address = h5py.h5o.get_info(child.id).addr
            if address in seen:
                raise InputError(f"{path} holds the group {child.name} twice: refused")
            seen.add(address)
            yield from _datasets(child, path, seen)
        else:
            raise InputError(f"{path} holds a {type(child).__name__} in {child.name}: refused")
