"""What is no file is not read: it would block for ever, or never end."""

import os
import socket

import pytest

from rescomp.store import open_file, read_file


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (os.mkfifo, "a pipe"),
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
        (lambda path: socket.socket(socket.AF_UNIX).bind(str(path)), "a socket"),
        (os.mkdir, "Is a directory"),
    ],
)
def test_what_is_no_file_is_named(make, cause, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x"
    make(path)
    for read in (open_file, read_file):
        with pytest.raises(OSError, match=cause) as caught:
            read(path)
        assert cause in caught.value.strerror


def test_a_file_of_more_bytes_than_asked_for_is_not_read(tmp_path):
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="more than 1,000 bytes"):
        read_file(path, 1000)
    path.write_bytes(b"abc")
    assert read_file(path, 3) == read_file(path) == b"abc"
