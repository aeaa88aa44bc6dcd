"""Several files change together or not at all: at every death, after every loss of power, and never through a link."""

import contextlib
import json

import pytest

from rescomp.benchmarks.dying_disk import MODES, Dead, DyingDisk, contents
from rescomp.errors import InputError
from rescomp.store import Disk, commit, injected, recover, write_atomically

SIGN = "manifest.json"
OLD = {"manifest.json": b"old", "c/model.c": b"old", "c/rescomp/math.h": b"old", "gone.onnx": b"old"}
NEW = {"manifest.json": b"new", "c/model.c": b"new", "vectors/test.npz": b"new"}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    with injected(Disk()):
        commit(path, OLD)
        yield path


def step(folder):
    commit(folder, NEW, removed=["c", "gone.onnx", "never-was"])


def expected():
    return {**NEW, "c": None, "vectors": None}


def die(work, folder, last, mode="kill"):
    with injected(DyingDisk(folder if folder.is_dir() else folder.parent, last, mode)), contextlib.suppress(Dead):
        work(folder)


def operations(folder):
    counted = DyingDisk(folder)
    with injected(counted):
        step(folder)
    return counted.log


def test_all_of_it_is_done(folder):
    step(folder)
    assert contents(folder) == expected()


@pytest.mark.parametrize("mode", MODES)
def test_death_at_every_operation_leaves_the_old_files_or_the_new(folder, mode):
    before, count, decided = contents(folder), len(operations(folder)), []
    for last in range(1, count + 1):
        _reset(folder)
        die(step, folder, last, mode)
        recover(folder, SIGN)
        found = contents(folder)
        assert found in (before, expected()), last
        decided.append(found == expected())
    assert decided == sorted(decided)
    assert {False, True} == set(decided)


@pytest.mark.parametrize("mode", ["power", "zeroed", "mixed"])
def test_a_loss_of_power_after_the_end_takes_nothing(folder, mode):
    for seed in range(20):
        _reset(folder)
        losing = DyingDisk(folder, mode=mode)
        with injected(losing):
            step(folder)
        losing.lose_power(seed)
        recover(folder, SIGN)
        assert contents(folder) == expected(), seed


def test_a_loss_of_power_in_a_step_does_not_bring_back_the_one_before(folder):
    def two(path):
        step(path)
        commit(path, {"next": b"1", "manifest.json": b"newer"})

    counted = DyingDisk(folder)
    with injected(counted):
        two(folder)
    after = contents(folder)
    (folder / "next").unlink()
    for last in range(len(operations(folder)) + 1, len(counted.log) + 1):
        _reset(folder)
        die(two, folder, last, "mixed")
        recover(folder, SIGN)
        found = contents(folder)
        (folder / "next").unlink(missing_ok=True)
        assert found in (expected(), after), last


def _reset(folder):
    for name in contents(folder):
        if (folder / name).is_file():
            (folder / name).unlink()
    commit(folder, OLD, removed=["vectors"])


def test_a_death_while_another_death_is_mended(folder):
    log = operations(folder)
    decided = next(number for number, what in enumerate(log, start=1) if what == "rename journal.json.new journal.json")
    for first in range(decided + 1, len(log) + 1):
        for second in range(1, len(log) - decided + 1):
            _reset(folder)
            die(step, folder, first)
            die(lambda path: recover(path, SIGN), folder, second)
            recover(folder, SIGN)
            assert contents(folder) == expected()


def test_a_full_disk_changes_nothing_and_leaves_nothing(folder):
    before = contents(folder)

    class Full(Disk):
        def write(self, path, data, mode=0o666):
            if path.name == "2":
                raise OSError(28, "No space left on device")
            super().write(path, data, mode)

    with injected(Full()), pytest.raises(InputError, match=r"No space left on device.*free space"):
        step(folder)
    assert contents(folder) == before


def test_a_disk_that_fails_after_the_decision_is_gone_on_with(folder):
    class Failing(Disk):
        def rename(self, source, target):
            if target.name == "test.npz":
                raise OSError(5, "Input/output error")
            super().rename(source, target)

    with injected(Failing()), pytest.raises(InputError, match="the next command goes on here"):
        step(folder)
    commit(folder, {"more": b"1"})
    assert contents(folder) == {**expected(), "more": b"1"}


@pytest.mark.parametrize("name", ["../out", "/etc/out", "c/../../out", "", "c//x", "./x", "c/", ".staging/0", ".lock", "a\0b"])
def test_no_name_leaves_the_folder(folder, name):
    before = contents(folder)
    with pytest.raises(InputError, match="is no name of a file"):
        commit(folder, {name: b""})
    assert contents(folder) == before


@pytest.mark.parametrize("dangling", [False, True])
@pytest.mark.parametrize("place", ["c", "c/rescomp", "vectors"])
def test_nothing_is_written_through_a_linked_folder(folder, tmp_path, place, dangling):
    outside = tmp_path / "outside"
    if not dangling:
        outside.mkdir()
        (outside / "model.c").write_text("mine")
    commit(folder, {}, removed=[place])
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).symlink_to(outside)
    with pytest.raises(InputError, match="is a link, and rescomp writes into folders of its own alone"):
        commit(folder, {f"{place}/model.c": b"new"}, removed=[place])
    assert outside.exists() != dangling
    assert dangling or contents(outside) == {"model.c": b"mine"}


@pytest.mark.parametrize("name", ["manifest.json", "c/model.c", ".staging", ".staging/0", ".staging/journal.json.new", ".lock"])
def test_a_linked_file_is_replaced_and_what_it_points_at_stays(folder, tmp_path, name):
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(outside)
    if name == ".staging":
        with pytest.raises(InputError, match=r"\.staging is not rescomp's"):
            step(folder)
    else:
        step(folder)
        assert contents(folder)["manifest.json"] == b"new"
        assert not (folder / "c" / "model.c").is_symlink()
    assert outside.read_text() == "mine"


def test_a_removed_link_takes_nothing_with_it(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "model.c").write_text("mine")
    (folder / "firmware").symlink_to(outside)
    commit(folder, {}, removed=["firmware"])
    assert contents(outside) == {"model.c": b"mine"}
    assert not (folder / "firmware").is_symlink()


@pytest.mark.parametrize("name", ["../out", "c/../../out", "/out"])
def test_a_planted_journal_reaches_nothing_outside(folder, tmp_path, name):
    (tmp_path / "out").write_text("mine")
    for files, removed in (([name], []), ([], [name])):
        (folder / ".staging").mkdir(exist_ok=True)
        (folder / ".staging" / "0").write_text("planted")
        (folder / ".staging" / "journal.json").write_text(json.dumps({"schema": 1, "files": files, "removed": removed}))
        with pytest.raises(InputError, match="is no name of a file"):
            recover(folder, SIGN)
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 2, "files": [], "removed": []}', '{"schema": 1, "files": [1], "removed": []}'])
def test_a_foreign_journal_is_refused(folder, text):
    (folder / ".staging").mkdir()
    (folder / ".staging" / "journal.json").write_text(text)
    with pytest.raises(InputError, match=r"journal\.json is damaged, or of another version"):
        recover(folder, SIGN)


def test_what_is_not_rescomp_s_is_left_alone(tmp_path):
    (tmp_path / ".thesis.partial").write_text("dear")
    (tmp_path / ".staging").mkdir()
    (tmp_path / ".staging" / "notes.txt").write_text("dear")
    (tmp_path / ".lock").write_text("dear")
    before = contents(tmp_path)
    recover(tmp_path, SIGN)
    assert contents(tmp_path) == before


def test_one_file_dies_into_the_old_or_the_new(tmp_path):
    path = tmp_path / "summary.md"
    for mode in MODES:
        for last in range(1, 5):
            write_atomically(path, b"old")
            die(lambda path: write_atomically(path, b"new"), path, last, mode)
            assert path.read_bytes() in (b"old", b"new")
            write_atomically(path, b"new")
            assert contents(tmp_path) == {"summary.md": b"new"}


def test_one_file_is_not_written_through_a_link_of_its_neighbour_s_name(tmp_path):
    (tmp_path / "outside").write_text("mine")
    (tmp_path / ".summary.md.partial").symlink_to(tmp_path / "outside")
    write_atomically(tmp_path / "summary.md", b"new")
    assert (tmp_path / "outside").read_text() == "mine"
    assert (tmp_path / "summary.md").read_bytes() == b"new"


def test_a_new_file_takes_no_name_that_is_taken(tmp_path):
    (tmp_path / "outside").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("outside", "link"):
        with pytest.raises(FileExistsError):
            Disk().write(tmp_path / name, b"new")
    assert contents(tmp_path)["outside"] == b"mine"
    assert not (tmp_path / "nowhere").exists()
