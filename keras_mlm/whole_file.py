"""Files that are there whole or not at all."""

import tensorflow as tf


def write_whole(path: str, text: str) -> None:
    """Write a text file aside and rename it, so that nobody ever reads half of it and the one before is not lost.

    Args:
        path: str, local or remote; its folder is there.
        text: str, written as UTF-8.

    Example:
        ```python
        write_whole("saved_models/news/run/notes.txt", "twenty epochs")
        ```
    """
    with tf.io.gfile.GFile(path + ".partial", "w") as file:
        file.write(text)
    tf.io.gfile.rename(path + ".partial", path, overwrite=True)
