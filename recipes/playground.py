"""Play with a model in the browser: fill masks, look at tokens, masks and attention, ask for tags and classes."""

import errno
import ipaddress
import logging
import socket

from keras_mlm import command_line
from keras_mlm.errors import InputError

logger = logging.getLogger("keras_mlm")


def playground(*, model: list[str], port: int = 7860, host: str = "127.0.0.1") -> None:
    """Serve a page on this machine that asks a model, or two side by side.

    Fill masks with probabilities, see how a text is tokenized and masked, where each token looks, whether B follows A;
    entities and tags with a tagger, probabilities with a classifier. Nothing leaves this machine. Ctrl-C ends it.

    Args:
        model: Model folder, as the recipes that train write it; two of them are shown side by side.
        port: Port to listen at.
        host: Address to listen at; 127.0.0.1 is reached from this machine only, 0.0.0.0 from others, too.
    """
    if not 1 <= len(model) <= 2:
        raise InputError(f"give one model folder or two, not {len(model)}")
    check_port(host, port)

    from keras_mlm.playground.loaded_model import LoadedModel
    from keras_mlm.playground.page import build_page, import_gradio, launch_page
    from keras_mlm.playground.warm_up import warm_up

    import_gradio()  # before the models are read: without it there is no page
    models = [LoadedModel.load(folder) for folder in model]
    logger.info("getting ready, so that the first answer is as quick as all others")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of several graphs of one model, which are meant
    for loaded in models:
        warm_up(loaded.model)
    page = build_page(models)
    if not is_loopback(host):
        logger.warning("whoever can reach this machine at %s can use the page and the model", host)
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    print(f"http://{shown}:{port}  (Ctrl-C ends it)", flush=True)
    launch_page(page, host, port)


def check_port(host: str, port: int) -> None:
    """Raise `InputError` where a page cannot listen, and name a port that is free."""
    if not 1 <= port <= 65_535:
        raise InputError(f"--port must be between 1 and 65535, not {port}")
    try:
        if is_free(host, port):
            return
    except OSError as error:
        raise InputError(f"nothing can listen at --host {host} --port {port}: {error.strerror or error}") from error
    others = range(port + 1, min(port + 100, 65_536))
    free = next((other for other in others if is_free(host, other)), None)
    raise InputError(f"port {port} of {host} is in use: " + (f"try --port {free}" if free else "try another --port"))


def is_free(host: str, port: int) -> bool:
    """Return whether nobody listens there; raises `OSError` where nobody could."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        # As servers do: a port that was left a moment ago is free.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    command_line.run(playground)
