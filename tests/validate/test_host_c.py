"""The witness c: what it says when tools, files or programs fail. That it agrees is in test_witnesses.py."""

import errno
import re
import shutil
import subprocess
import tempfile

import numpy as np
import pytest

from rescomp.errors import DeviceError, InputError, MissingToolError, ParityError, RescompError
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, IntegerModel, Node, Value
from rescomp.graph.ops import Add, Relu
from rescomp.validate import c_program
from rescomp.validate.c_program import run_tool, tool_version, write_export
from rescomp.validate.c_vectors import decode_trajectory, encode_vectors
from rescomp.validate.host_c import HostC
from rescomp.validate.witness import Job


@pytest.fixture
def job(random_fastgrnn, random_sequences, tmp_path):
    rng = np.random.default_rng(0)
    model = random_fastgrnn(rng)
    write_export(tmp_path / "c", model)
    x, lengths = random_sequences(rng, model)
    return Job(model, tmp_path, x.astype(np.int16), lengths)


def patch(job, name, old, new):
    path = job.directory / "c" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_variants_and_version(job):
    answers = list(HostC().answers(job))
    assert [answer.variant for answer in answers] == ["gcc -O2", "gcc -O1 sanitized"]
    assert all(answer.version.startswith("gcc ") for answer in answers)


def test_it_runs_what_lies_in_the_directory(job):
    patch(job, "tiny.c", "sizeof state->h);", "sizeof state->h);\n    state->h[0] = 1000;")
    before, after = HostC().answers(job), HostC().answers(job)
    assert np.array_equal(next(before).trajectory.states, next(after).trajectory.states)


def running_sum():
    """A model whose state is the saturated sum of its input, cheap enough for very long sequences."""
    t = TensorType((3,), Format(5, "int8"))
    values = (Value("x", t), Value("h", t))
    step = Graph("step", values, (Node("sum", Add("int8"), ("x", "h"), ("sum",)),), ("sum",), {"h": "sum"})
    head = Graph("head", values[1:], (Node("scores", Relu("int8"), ("h",), ("scores",)),), ("scores",))
    return IntegerModel("tiny", {"step": step, "head": head})


@pytest.mark.parametrize("steps", [65535, 65536, 70001])
def test_steps_are_counted_in_32_bits(tmp_path, steps):
    model = running_sum()
    write_export(tmp_path / "c", model)
    x = np.random.default_rng(steps).integers(-9, 10, (1, steps, 3))
    h, states = np.zeros(3, np.int64), np.zeros((steps, 3), np.int64)
    for t in range(steps):
        h = states[t] = np.clip(h + x[0, t], -128, 127)
    trajectory = next(HostC().answers(Job(model, tmp_path, x, np.array([steps])))).trajectory
    np.testing.assert_array_equal(trajectory.states[0], states)
    np.testing.assert_array_equal(trajectory.scores[0], np.maximum(h, 0))


def test_a_missing_compiler_names_its_package(job, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingToolError, match="apt-get install gcc"):
        next(HostC().answers(job))


def test_a_missing_export_says_how_to_make_it(job):
    shutil.rmtree(job.directory / "c")
    with pytest.raises(InputError, match="rescomp export --format c"):
        next(HostC().answers(job))


def test_c_that_does_not_compile_names_the_compiler(job):
    patch(job, "tiny.c", "tiny_step(state, input);", "tiny_step(state, inputs);")
    with pytest.raises(RescompError, match=r"refuses the C .*inputs"):
        next(HostC().answers(job))


def test_a_write_past_the_state_is_reported(job):
    patch(job, "tiny.c", "memset(state->h, 0, sizeof state->h);", "memset(state->h, 0, sizeof *state + 2);")
    with pytest.raises(ParityError, match="AddressSanitizer"):
        list(HostC().answers(job))


def test_undefined_behaviour_is_reported(job):
    patch(job, "rescomp/rescomp_math.h", "return (value + (INT32_C(1) << (shift - 1))) >> shift;", "return value << 20 << shift >> shift;")
    with pytest.raises(ParityError, match="runtime error"):
        list(HostC().answers(job))


def test_a_crash_is_reported(job):
    patch(
        job,
        "tiny.c",
        "memset(state->h, 0, sizeof state->h);",
        "volatile uintptr_t nowhere = 8;\n    memset((void *)nowhere, 0, 4);\n    (void)state;",
    )
    with pytest.raises(ParityError, match="failed on this machine"):
        list(HostC().answers(job))


def test_output_of_the_wrong_length_is_refused(job):
    data = encode_vectors(job)
    assert len(data) == 4 + (4 + 1) * len(job.x) + 2 * int(job.lengths.sum()) * job.x.shape[2]
    with pytest.raises(DeviceError, match="bytes where"):
        decode_trajectory(job, b"12")


def test_a_program_without_end_is_stopped(tmp_path):
    with pytest.raises(DeviceError, match=r"stopped after 0\.2 seconds"):
        run_tool(["sleep", "10"], tmp_path, seconds=0.2)


def test_it_takes_no_argument(job):
    with pytest.raises(InputError, match="no argument"):
        next(HostC().answers(Job(job.model, job.directory, job.x, job.lengths, "fast")))


def test_versions_are_read_from_the_first_line(monkeypatch, tmp_path):
    tool = tmp_path / "some-gcc"
    tool.write_text("#!/bin/sh\necho 'some-gcc (15:12.2.rel1-1) 12.2.1 20221205'\n")
    tool.chmod(0o755)
    assert tool_version(str(tool)) == "some-gcc 12.2.1"
    assert c_program.first_lines(b"\n===\n one \n two\n") == "one | two"


def test_a_file_changed_by_hand_is_not_called_a_fault_of_rescomp_outright(job):
    patch(job, "tiny.c", "sizeof state->h);", "sizeof state->h)")
    with pytest.raises(
        RescompError,
        match=r"^gcc refuses the C \(.*tiny\.c:\d+.*error.*\): correct --cc and --cflags if they were given, and export it again",
    ):
        list(HostC().answers(job))


@pytest.mark.parametrize(
    "said", ["/tmp/x.s: No space left on device", "Cannot create temporary file in /t/", "ld: cannot open output file a.out"]
)
def test_a_compiler_without_room_is_not_a_fault_of_rescomp(said, tmp_path):
    compiler = tmp_path / "cc"
    compiler.write_text(f'#!/bin/sh\necho "fatal error: {said}" >&2\nexit 1\n')
    compiler.chmod(0o755)
    (tmp_path / "a.c").write_text("int a;\n")
    with pytest.raises(InputError, match=r"^cannot write temporary files \(.*\): free space there, or set TMPDIR"):
        c_program.build_program([str(compiler)], tmp_path, "a.out", [tmp_path / "a.c"])


@pytest.mark.parametrize(("header", "compiled"), [("direct.h", 2), ("behind.h", 2), ("strange.h", 1)])
def test_a_kernel_is_compiled_again_when_a_header_that_it_reads_is_another(header, compiled, tmp_path):
    folder, compiler = tmp_path / "rescomp", tmp_path / "cc"
    folder.mkdir()
    compiler.write_text(f'#!/bin/sh\nfor word; do [ "$word" = -c ] && echo >>{tmp_path}/compiled; done\nexec gcc "$@"\n')
    compiler.chmod(0o755)
    (tmp_path / "main.c").write_text("int kernel(void);\nint main(void) { return kernel(); }\n")
    (folder / "kernel.c").write_text('#include "direct.h"\nint kernel(void) { return DIRECT + BEHIND; }\n')
    texts = {
        "direct.h": '#include \\\n"behind.h"\n#define DIRECT 1\n',
        "behind.h": "#define BEHIND 2\n",
        "strange.h": "#define STRANGE 3\n",
    }
    returned = []
    for number in ("0", "7"):
        for name, text in texts.items():
            (folder / name).write_text(re.sub(r"(?<= )\d", number, text) if name == header else text)
        c_program.build_program([str(compiler), f"-I{tmp_path}"], tmp_path, "a.out", [tmp_path / "main.c", folder / "kernel.c"])
        returned.append(subprocess.run([tmp_path / "a.out"], check=False, timeout=60).returncode)
    assert len((tmp_path / "compiled").read_text().splitlines()) == compiled
    assert returned == {"direct.h": [2, 9], "behind.h": [1, 8], "strange.h": [3, 3]}[header]


@pytest.mark.timeout(30)
def test_long_lines_of_a_compiler_are_read_once(tmp_path):
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\nhead -c 4000000 /dev/zero | tr '\\0' ' ' >&2\necho ' error: a header of one line' >&2\nexit 1\n")
    compiler.chmod(0o755)
    (tmp_path / "a.c").write_text("int a;\n")
    with pytest.raises(InputError, match=r"^cc refuses the C \(error: a header of one line\)"):
        c_program.build_program([str(compiler)], tmp_path, "a.out", [tmp_path / "a.c"])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_or_read_only_temporary_folder_is_told(number, monkeypatch):
    with pytest.raises(InputError, match=r"^cannot write temporary files \(.*\): free space there, or set TMPDIR"), c_program.workspace():
        raise OSError(number, "no room")
    with pytest.raises(PermissionError), c_program.workspace():
        raise PermissionError(errno.EACCES, "another fault", "a.c")

    def none(**_):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", none)
    with pytest.raises(InputError, match=r"^cannot write temporary files \(No usable temporary directory found"), c_program.workspace():
        pass
