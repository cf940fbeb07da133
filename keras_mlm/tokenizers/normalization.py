"""Which normalisations there are and what each can do."""

from typing import Literal

from keras_mlm.errors import InputError

Normalization = Literal["fast", "bert"]


def strips_accents(normalization: str, lowercase: bool, strip_accents: bool | None) -> bool:
    """Whether accents go, which unless it is said follows the case.

    Args:
        normalization: str, `"fast"` or `"bert"`.
        lowercase: bool.
        strip_accents: bool or `None`.

    Returns:
        bool.

    Raises:
        InputError: there is no such normalisation, or it does not offer the combination.
    """
    if normalization not in ("fast", "bert"):
        raise InputError(f'normalization is "fast" or "bert", not {normalization!r}')
    if strip_accents is None:
        return lowercase
    if normalization == "fast" and strip_accents != lowercase:
        raise InputError(
            f'normalization="fast" does not offer lowercase={lowercase} with strip_accents={strip_accents}; '
            'normalization="bert" does'
        )
    return strip_accents
