"""A repository of the Hugging Face hub as a local folder, through huggingface_hub's own cache and settings."""

import re
from pathlib import Path

from keras_mlm.errors import InputError, RunError

# What a BERT is made of; nothing else is fetched, no pickle and no code.
_FILES = (
    "config.json",
    "vocab.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
)
_SUBFOLDERS = "*/*"
_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


def local_folder(folder_or_name: str) -> str:
    """Return a folder as it is, and the local copy of a hub repository, fetched if need be.

    Args:
        folder_or_name: str, a folder, which is never looked for in the network, or a name such as
            `"google-bert/bert-base-uncased"`. `HF_ENDPOINT`, `HF_HUB_OFFLINE`, `HF_HOME` and `HF_TOKEN` work as
            huggingface_hub documents them.

    Returns:
        str, the path of a local folder.

    Raises:
        InputError: neither a folder nor a name, or no such repository.
        RunError: the network or the hub failed.
    """
    if folder_or_name and Path(folder_or_name).is_dir():
        return folder_or_name
    if not _NAME.fullmatch(folder_or_name) or ".." in folder_or_name:
        raise InputError(f"{folder_or_name}: no such folder, and no name on the hub, which is ORGANISATION/MODEL")
    import huggingface_hub
    from huggingface_hub import errors

    try:
        path = huggingface_hub.snapshot_download(
            folder_or_name, allow_patterns=list(_FILES), ignore_patterns=_SUBFOLDERS
        )
        if not any(Path(path).glob("*.safetensors")):
            # Only where there is nothing better: the weights would be fetched twice.
            path = huggingface_hub.snapshot_download(
                folder_or_name, allow_patterns=[*_FILES, "tf_model.h5"], ignore_patterns=_SUBFOLDERS
            )
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise InputError(f"{folder_or_name}: no such folder, and no such repository on the hub ({error})") from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise RunError(
            f"{folder_or_name} is no folder, not in the cache of huggingface_hub, and the hub cannot be reached or "
            f"HF_HUB_OFFLINE is set ({error})"
        ) from error
    except Exception as error:  # whatever the network, the disk or the hub did: each has errors of its own
        raise RunError(f"{folder_or_name} could not be fetched from the hub ({error})") from error
    return path
