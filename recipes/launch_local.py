"""Start several workers of a recipe on this machine, to try out what a cluster would do."""

from typing import Annotated

from cyclopts import Parameter

from keras_mlm import command_line

# After the first worker has failed, the others notice within seconds; this long they may take to save and end.
GRACE = 60.0


def launch_local(
    *command: Annotated[str, Parameter(allow_leading_hyphen=True)],
    workers: Annotated[int, Parameter(name=["--workers", "-n"])] = 2,
) -> None:
    """Run a recipe as several workers: launch_local.py -n 2 -- recipes/pretrain.py --strategy multi_worker ...

    Every worker gets its place in TF_CONFIG. Lines are shown with the worker's number. Ctrl-C stops all of them, after
    a checkpoint; the same command goes on. On one machine this is slower than one process with all its cores.

    Args:
        command: Recipe and its options, after `--`.
        workers: How many.
    """
    import json
    import os
    import signal
    import socket
    import subprocess
    import sys
    import threading
    import time

    from keras_mlm.errors import InputError, Interrupted, RunError

    if workers < 1 or not command:
        raise InputError("say how many workers and what they run: launch_local.py -n 2 -- recipes/pretrain.py ...")
    sockets = [socket.create_server(("localhost", 0)) for _ in range(workers)]
    cluster = {"worker": [f"localhost:{listener.getsockname()[1]}" for listener in sockets]}
    for listener in sockets:
        listener.close()
    arguments = [sys.executable, *command] if command[0].endswith(".py") else list(command)
    processes: list[subprocess.Popen[str]] = []

    def show(index: int, process: "subprocess.Popen[str]") -> None:
        for line in process.stdout or ():
            print(f"[worker {index}] {line}", end="", flush=True)

    for index in range(workers):
        config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
        # A session of its own: the terminal's Ctrl-C reaches a worker through this process, and once.
        processes.append(
            subprocess.Popen(
                arguments, env={**os.environ, "TF_CONFIG": config, "PYTHONUNBUFFERED": "1"}, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            )
        )  # fmt: skip
    readers = [threading.Thread(target=show, args=pair, daemon=True) for pair in enumerate(processes)]
    for reader in readers:
        reader.start()

    def forward(number: int, frame: object) -> None:
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, forward)
    deadline = None
    while any(process.poll() is None for process in processes):
        if deadline is None and any(process.poll() for process in processes):
            deadline = time.monotonic() + GRACE
        if deadline is not None and time.monotonic() > deadline:
            for process in processes:
                process.kill()
        time.sleep(0.1)
    for reader in readers:
        reader.join(timeout=5)
    codes = {index: process.returncode for index, process in enumerate(processes) if process.returncode}
    if codes:
        message = ", ".join(f"worker {index} ended with {code}" for index, code in codes.items())
        agreed = set(codes.values()) if len(codes) == workers else set()
        for error in (InputError, Interrupted):
            if agreed == {error.exit_code}:
                raise error(message)
        raise RunError(message)


if __name__ == "__main__":
    command_line.run(launch_local)
