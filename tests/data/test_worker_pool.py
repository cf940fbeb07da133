import os
import signal
import sys
import textwrap
import time
from pathlib import Path

import pytest

from keras_mlm.data.worker_pool import WorkerDied, WorkerPool
from keras_mlm.errors import InputError


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A function that other processes can import, and what it has written."""
    (tmp_path / "the_work.py").write_text(
        textwrap.dedent(
            """
            import os, signal, sys, time
            from keras_mlm.errors import InputError

            def work(task):
                print("what a library prints is no answer")
                open(f"{task}.pid", "w").write(str(os.getpid()))
                if "import" in task:
                    import sqlite3
                folder, name = os.path.split(task)
                if name in ("kill", "exit", "wrong", "odd"):  # once the other process has begun
                    begun = os.path.join(folder, "long.pid")
                    while not os.path.exists(begun) or not os.path.getsize(begun):
                        time.sleep(0.02)
                if "kill" in task:
                    os.kill(os.getpid(), signal.SIGKILL)
                if "exit" in task:
                    os._exit(3)
                if "wrong" in task:
                    raise InputError(f"{task} is wrong")
                if "odd" in task:
                    raise type("Odd", (Exception,), {})("cannot be pickled")
                if "long" in task:
                    time.sleep(60)
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield __import__("the_work").work
    sys.modules.pop("the_work")


def run_in_workers(function, tasks, workers, **options):
    with WorkerPool(workers, **options) as pool:
        return list(pool.run(function, tasks))


def process_of(task):
    return int(Path(f"{task}.pid").read_text())


def test_every_task_is_done_once_in_several_processes(work, tmp_path):
    tasks = [str(tmp_path / str(number)) for number in range(20)]
    assert sorted(run_in_workers(work, tasks, 3)) == sorted(tasks)
    processes = {process_of(task) for task in tasks}
    assert 1 < len(processes) <= 3 and os.getpid() not in processes
    assert run_in_workers(work, tasks, 1) == tasks
    assert {process_of(task) for task in tasks} == {os.getpid()}
    assert run_in_workers(work, [], 3) == []


def test_the_same_processes_do_one_thing_after_another(work, tmp_path):
    tasks = [str(tmp_path / name) for name in ("a", "b", "c", "d")]
    with WorkerPool(2) as pool:
        assert sorted(pool.run(work, tasks)) == tasks
        assert {task for task in tasks if Path(task).exists()} == set()
        assert list(pool.run(Path.touch, [Path(tasks[0])])) == [Path(tasks[0])]  # the other one has nothing to do
        processes = {process_of(task) for task in tasks}
        assert Path(tasks[0]).exists()
        assert sorted(pool.run(work, tasks)) == tasks
    assert {process_of(task) for task in tasks} <= processes


def test_packages_of_no_use_are_not_loaded(work, tmp_path):
    tasks = [str(tmp_path / "import"), str(tmp_path / "a")]
    with pytest.raises(ModuleNotFoundError, match="sqlite3"):
        run_in_workers(work, tasks, 2, without=("sqlite3",))


def test_what_all_need_is_loaded_once(work, tmp_path):
    loads = tmp_path / "loads"
    (tmp_path / "the_load.py").write_text(f"open({str(loads)!r}, 'a').write('once ')")
    tasks = [str(tmp_path / name) for name in ("a", "b", "c", "d")]
    assert sorted(run_in_workers(work, tasks, 4, preload="the_load")) == sorted(tasks)
    assert loads.read_text() == "once "


def test_what_cannot_be_loaded_ends_in_a_line(work, tmp_path):
    (tmp_path / "the_load.py").write_text("raise SystemExit(5)")
    with pytest.raises(WorkerDied, match="ended with exit code 5 while it prepared one"):
        run_in_workers(work, ["one"], 2, preload="the_load")


@pytest.mark.parametrize(
    ("name", "raised", "message"),
    [
        ("kill", WorkerDied, r"a worker was killed by signal 9 while it prepared .*/kill: the same command goes on"),
        ("exit", WorkerDied, r"a worker ended with exit code 3 while it prepared .*/exit: "),
        ("wrong", InputError, r"wrong is wrong"),
        ("odd", RuntimeError, "Odd: cannot be pickled"),
    ],
)
def test_a_failure_ends_all_at_once(work, tmp_path, name, raised, message):
    started = time.monotonic()
    with pytest.raises(raised, match=message):
        run_in_workers(work, [str(tmp_path / "long"), *(str(tmp_path / one) for one in ("a", name))], 2)
    assert time.monotonic() - started < 30
    # The other one does not go on.
    with pytest.raises(ProcessLookupError):
        os.kill(process_of(tmp_path / "long"), 0)


def test_workers_end_with_the_process_that_started_them(work, tmp_path):
    child = os.fork()
    if not child:
        run_in_workers(work, [str(tmp_path / "long"), str(tmp_path / "a")], 2)
    until = time.monotonic() + 120
    while not ((tmp_path / "a.pid").exists() and (tmp_path / "a.pid").read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while time.monotonic() < until:
        try:
            os.kill(process_of(tmp_path / "a"), 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("a worker waits for tasks that nobody sends")
