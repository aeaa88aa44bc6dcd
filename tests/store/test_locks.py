"""One stage at a time works on a folder, whoever dies in between."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rescomp.errors import InputError
from rescomp.store import LOCK, Disk, Holder, commit, holding, injected, locks, reading, recover, refuse_held

SECONDS = 60


@pytest.fixture(autouse=True)
def _plain_disk():
    with injected(Disk()):
        yield


def other_process(code, folder):
    """A Python that runs `code` and waits for its standard input to end."""
    program = f"import sys, pathlib\nfolder = pathlib.Path(sys.argv[1])\n{textwrap.dedent(code)}"
    return subprocess.Popen([sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


HOLDS = """
from rescomp.store import holding
with holding(folder):
    print("holds", flush=True)
    sys.stdin.read()
"""


def test_the_second_stage_is_told_who_holds_the_folder(tmp_path):
    with other_process(HOLDS, tmp_path) as process:
        assert process.stdout.readline() == "holds\n"
        with (
            pytest.raises(InputError, match=rf"is in use by process {process.pid} \(-c {tmp_path}\): wait until that has ended"),
            holding(tmp_path),
        ):
            pass
        process.stdin.close()
        assert process.wait(SECONDS) == 0
    with holding(tmp_path):
        assert Holder.read(tmp_path / LOCK).pid == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_stage_holds_nothing_and_its_sign_goes(tmp_path):
    with other_process(HOLDS, tmp_path) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait(SECONDS)
    assert (tmp_path / LOCK).is_file()
    recover(tmp_path, "manifest.json")
    assert list(tmp_path.iterdir()) == []
    with holding(tmp_path):
        pass


def test_a_living_stage_keeps_its_sign(tmp_path):
    with other_process(HOLDS, tmp_path) as process:
        process.stdout.readline()
        recover(tmp_path, "manifest.json")
        assert Holder.read(tmp_path / LOCK).pid == process.pid
        process.stdin.close()
        process.wait(SECONDS)


def test_a_stage_may_call_another(tmp_path):
    with holding(tmp_path), holding(tmp_path):
        recover(tmp_path, "manifest.json")
        assert (tmp_path / LOCK).is_file()
    assert list(tmp_path.iterdir()) == []


def test_readers_wait_until_files_are_in_their_places(tmp_path):
    code = """
    from rescomp.store import reading
    print("starts", flush=True)
    with reading(folder):
        print(sorted(path.name for path in folder.iterdir()), flush=True)
    """
    with locks.changing(tmp_path), other_process(code, tmp_path) as process:
        assert process.stdout.readline() == "starts\n"
        commit(tmp_path, {"a": b"1", "b": b"2"})
        assert process.poll() is None
        with_both = tmp_path / "c"
        with_both.write_text("3")
        locks.fcntl.flock(locks._kept["change", tmp_path.resolve()], locks.fcntl.LOCK_UN)
        assert process.stdout.readline() == "['a', 'b', 'c']\n"
        process.wait(SECONDS)


def test_changing_what_one_reads_is_a_fault(tmp_path):
    with reading(tmp_path), pytest.raises(RuntimeError, match="is changed while it is read"):
        commit(tmp_path, {"a": b"1"})


def test_a_forked_child_holds_nothing(tmp_path):
    with holding(tmp_path):
        child = os.fork()
        if child == 0:
            os._exit(len(locks._kept))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert not locks._try(os.open(tmp_path / LOCK, os.O_RDONLY))


def test_an_interruption_as_a_lock_is_got_leaves_none_behind(tmp_path, monkeypatch):
    """Otherwise what tidies up after Ctrl-C would wait for this process itself, for ever."""
    lock = locks.fcntl.flock

    def interrupted(descriptor, how):
        lock(descriptor, how)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(locks.fcntl, "flock", interrupted)
        with pytest.raises(KeyboardInterrupt):
            commit(tmp_path, {"a": b"1"})
    other = os.open(tmp_path, os.O_RDONLY)
    lock(other, locks.fcntl.LOCK_EX | locks.fcntl.LOCK_NB)
    os.close(other)


@pytest.mark.parametrize(
    "make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(path.name)]
)
def test_a_lock_that_never_answers_is_none(tmp_path, make):
    make(tmp_path / LOCK)
    refuse_held(tmp_path)
    assert Holder.read(tmp_path / LOCK) is None


def test_who_may_not_hold_a_folder_is_told_without_writing(tmp_path):
    refuse_held(tmp_path / "nowhere")
    with other_process(HOLDS, tmp_path) as process:
        process.stdout.readline()
        with pytest.raises(InputError, match=f"is in use by process {process.pid} "):
            refuse_held(tmp_path)
        process.stdin.close()
        process.wait(SECONDS)
    with holding(tmp_path):
        refuse_held(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_command_is_quoted_without_what_steers_a_terminal_and_not_beyond_a_line_or_two():
    assert str(Holder(7, "rescomp train -o \x1b[2Jmodel\n")) == "process 7 (rescomp train -o ?[2Jmodel?)"
    assert str(Holder(7, "x" * 201)) == f"process 7 ({'x' * 200}...)"


def test_a_linked_lock_is_replaced(tmp_path):
    (tmp_path / "outside").write_text("mine")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / LOCK).symlink_to(tmp_path / "outside")
    with holding(folder):
        assert not (folder / LOCK).is_symlink()
    assert (tmp_path / "outside").read_text() == "mine"
