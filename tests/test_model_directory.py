"""The model directory keeps what is written, and notices what was changed."""

import json
import os
from pathlib import Path

import pytest

from rescomp.errors import InputError
from rescomp.model_directory import MANIFEST, SUMS, ModelDirectory, write_atomically
from rescomp.store import Disk, injected


@pytest.fixture
def directory(tmp_path):
    made = ModelDirectory.create(tmp_path / "model")
    data = {"sha256": "0" * 64, "channels": 1}
    made.update_manifest(seed=1, contract=1, name="m", classes=[], data=data, input={"fraction_bits": 0}, versions={"rescomp": "0"})
    return made


def test_files_round_trip_and_are_listed(directory):
    directory.write({"a.bin": b"one", "c/model.c": b"two"})
    assert directory.read("a.bin") == b"one"
    assert directory.files("c") == ["c/model.c"]
    names = [line.split("  ")[1] for line in (directory.path / SUMS).read_text().splitlines()]
    assert names == ["a.bin", "c/model.c", MANIFEST]


def test_removed_files_leave_the_list(directory):
    directory.write({"a.bin": b"one", "c/model.c": b"two"})
    directory.remove("c", "a.bin", "never-was")
    assert directory.files("c") == []
    assert not directory.has("a.bin")


def test_a_tampered_file_is_refused(directory):
    directory.write({"weights.npz": b"true"})
    (directory.path / "weights.npz").write_bytes(b"false")
    with pytest.raises(InputError, match="changed after it was written"):
        directory.read("weights.npz")


def test_a_missing_file_names_the_stage_that_makes_it(directory):
    with pytest.raises(InputError, match="rescomp quantize"):
        directory.read("graph.json")
    with pytest.raises(InputError, match="rescomp export"):
        directory.read("model.onnx")


def test_create_never_overwrites_without_force(directory, tmp_path):
    with pytest.raises(InputError, match="--force"):
        ModelDirectory.create(directory.path)
    assert directory.manifest().seed == 1
    ModelDirectory.create(directory.path, force=True)
    assert list(directory.path.iterdir()) == []


def test_force_spares_what_rescomp_did_not_make(tmp_path, directory):
    (tmp_path / "thesis.tex").write_text("dear")
    for manifest in (None, '{"name": "a web extension"}'):
        if manifest:
            (tmp_path / MANIFEST).write_text(manifest)
            (tmp_path / SUMS).write_text("")
        with pytest.raises(InputError):
            ModelDirectory.create(tmp_path, force=True)
        assert (tmp_path / "thesis.tex").read_text() == "dear"
    (directory.path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds notes\.txt, which rescomp did not write"):
        ModelDirectory.create(directory.path, force=True)
    assert directory.manifest().seed == 1


def test_a_folder_that_rescomp_did_not_make_is_not_searched(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"holds files but no manifest\.json and SHA256SUMS, so rescomp did not make it"):
        ModelDirectory.create(tmp_path, force=True)


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "model").write_text("")
    with pytest.raises(InputError, match="is a file"):
        ModelDirectory.create(tmp_path / "model")


def test_open_refuses_what_is_no_model_directory(tmp_path):
    with pytest.raises(InputError, match="rescomp train"):
        ModelDirectory.open(tmp_path / "nowhere")
    with pytest.raises(InputError, match=f"no {MANIFEST}"):
        ModelDirectory.open(tmp_path)


def test_a_newer_schema_is_refused(directory):
    directory.write({MANIFEST: json.dumps({"schema": 99}).encode()})
    with pytest.raises(InputError, match="schema 99, this rescomp reads 1"):
        ModelDirectory.open(directory.path)


def test_a_damaged_manifest_is_refused(directory):
    for damage in (b"{", b"[]", b'{"schema": 1}', b'{"schema": 1, "contract": "x"}'):
        directory.write({MANIFEST: damage})
        with pytest.raises(InputError, match="damaged"):
            ModelDirectory.open(directory.path)


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    class Full(Disk):
        def write(self, path, data, mode=0o666):
            super().write(path, data[:1], mode)
            raise OSError(28, "No space left on device")

    with injected(Full()), pytest.raises(InputError, match=r"No space left on device.*an earlier file is intact"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_unwritable_directory():
    with pytest.raises(InputError, match="cannot make /proc/model"):  # closed to root too
        ModelDirectory.create(Path("/proc/model"))


def test_a_directory_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make"):
        ModelDirectory.create(tmp_path / "file" / "model")


def test_changed_line_ends_are_told_as_such(tmp_path):
    directory = ModelDirectory.create(tmp_path / "m", {"c/a.c": b"int a;\nint b;\n"})
    (tmp_path / "m" / "c" / "a.c").write_bytes(b"int a;\r\nint b;\r\n")
    with pytest.raises(
        InputError, match=r"a\.c has other line ends than it was written with .*: keep \.gitattributes with the line `\* -text`"
    ):
        directory.read("c/a.c")
    (tmp_path / "m" / "c" / "a.c").write_bytes(b"int a;\r\nint c;\r\n")
    with pytest.raises(InputError, match="was changed after it was written"):
        directory.read("c/a.c")
