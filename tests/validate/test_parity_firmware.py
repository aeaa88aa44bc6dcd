"""The firmware, frame by frame, as a program of this machine under the sanitizers: what it carries out, and what it refuses."""

import struct
import subprocess

import numpy as np
import pytest

from rescomp.errors import BudgetError, InputError
from rescomp.export.c import translate
from rescomp.graph.evaluate import evaluate, evaluate_graph
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, IntegerModel, Node, Value
from rescomp.graph.ops import Relu
from rescomp.targets.cores import CORES
from rescomp.validate.c_program import write_export
from rescomp.validate.parity_firmware import UARTS, build_parity_firmware
from rescomp.validate.parity_protocol import Command, Deframer, Digest, Hello, Status, encode_frame

SANITIZED = {"flags": ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"), "frame_bytes": 128}
SESSION = 0x1234


def body(number, command, arguments=b"", session=SESSION):
    return struct.pack("<HHB", session, number & 0xFFFF, command) + arguments


def talk(board, *bodies, raw=b""):
    """What the firmware answers to these frames: (session, number, command, status, results) each."""
    data = raw + b"".join(map(encode_frame, bodies))
    result = subprocess.run([board.elf], input=data, capture_output=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr.decode()
    answers = list(Deframer().feed(result.stdout))
    assert None not in answers
    return [(*struct.unpack_from("<HHBB", answer), answer[6:]) for answer in answers]


def hello(number=7, session=SESSION):
    return body(number, Command.HELLO, b"\1\0", session)


@pytest.fixture(scope="module")
def board(build_board):
    return build_board(firmware=SANITIZED, count=5, longest=5)


@pytest.fixture(scope="module")
def steps(board):
    """The input of each step of a sequence of five, the states after each as bytes, and the scores."""
    trajectory = evaluate(board.model, board.x.astype(np.int64), board.lengths)
    assert board.lengths[1] == 5
    states = [state.astype("<i2").tobytes() for state in trajectory.states[1]]
    return [x.astype("<i2").tobytes() for x in board.x[1]], states, trajectory.scores[1].astype("<i2").tobytes()


def digest(*parts):
    total = Digest()
    total.add(b"".join(parts))
    return total.value.to_bytes(4, "little")


def test_hello(board):
    ((session, number, command, status, results),) = talk(board, hello())
    assert (session, number, command, status) == (SESSION, 7, Command.HELLO | 0x80, Status.OK)
    said = Hello.unpack(results)
    model = board.model
    assert said.name == model.name
    assert said.graph.hex() == translate(model).sha256
    assert (said.frame_bytes, said.core, said.cycle_bits) == (128, "host", 0)
    assert said.input_bytes == model.input.type.nbytes
    assert said.score_bytes == model.output.type.nbytes


def test_steps_scores_and_digest(board, steps):
    inputs, states, scores = steps
    answers = talk(
        board,
        hello(),
        body(8, Command.RESET),
        body(9, Command.STEP, b"\1" + inputs[0] + inputs[1]),
        body(10, Command.STEP, b"\1" + inputs[2]),
        body(11, Command.STEP, b"\0" + inputs[3]),
        body(12, Command.STEP, b"\1" + inputs[4]),
        body(13, Command.SCORES, b"\1"),
        body(14, Command.DIGEST),
    )
    assert [answer[3] for answer in answers] == [Status.OK] * 8
    results = [answer[4] for answer in answers]
    assert results[1] == b""
    assert results[2] == states[0] + states[1] + digest(*states[:2])
    assert results[3] == states[2] + digest(*states[:3])
    assert results[4] == digest(*states[:4])
    assert results[5] == states[4] + digest(*states)
    assert results[6] == scores + digest(*states, scores)
    count = sum(map(len, states)) + len(scores)
    assert results[7] == count.to_bytes(4, "little") + digest(*states, scores)


def test_run_is_reset_steps_and_scores(build_board):
    board = build_board(firmware={"flags": SANITIZED["flags"]}, count=5, longest=5)
    trajectory = evaluate(board.model, board.x.astype(np.int64), board.lengths)
    expected = trajectory.states[1].astype("<i2").tobytes() + trajectory.scores[1].astype("<i2").tobytes()
    run = Command.RUN, b"\1" + board.x[1].astype("<i2").tobytes()
    answers = talk(board, hello(), body(8, *run), body(9, *run), body(10, Command.SCORES, b"\1"))
    assert answers[1][4] == expected + digest(expected)
    assert answers[2][4] == expected + digest(expected * 2)
    assert answers[3][4][:-4] == trajectory.scores[1].astype("<i2").tobytes()


def test_a_repeated_request_is_answered_again_and_not_carried_out_again(board, steps):
    inputs, states, _ = steps
    step = body(8, Command.STEP, b"\1" + inputs[0])
    answers = talk(board, hello(), hello(), step, step, step, body(9, Command.STEP, b"\1" + inputs[1]))
    assert answers[0] == answers[1]
    assert answers[2] == answers[3] == answers[4]
    assert answers[2][4] == states[0] + digest(states[0])
    assert answers[5][4] == states[1] + digest(*states[:2])


def test_a_late_or_early_request_is_refused_and_changes_nothing(board, steps):
    inputs, states, _ = steps
    first, second = (body(8 + i, Command.STEP, b"\1" + inputs[i]) for i in range(2))
    late = body(7, Command.RESET)
    answers = talk(board, hello(), first, late, body(10, Command.RESET), body(8 - 30000, Command.RESET), second, hello())
    for refused in (answers[2], answers[3], answers[4], answers[6]):
        assert refused[3] == Status.OUT_OF_ORDER
    assert answers[2][4] == struct.pack("<HH", SESSION, 8)
    assert answers[5][4] == states[1] + digest(*states[:2])


def test_numbers_wrap_around(board):
    answers = talk(board, hello(0xFFFF), body(0, Command.RESET), body(1, Command.RESET), body(0xFFFF, Command.RESET))
    assert [answer[3] for answer in answers] == [Status.OK] * 3 + [Status.OUT_OF_ORDER]


def test_without_a_session_nothing_is_carried_out(board):
    answers = talk(board, body(1, Command.RESET), hello(), body(8, Command.RESET, session=SESSION + 1), body(8, Command.RESET))
    assert [answer[3] for answer in answers] == [Status.NO_SESSION, Status.OK, Status.NO_SESSION, Status.OK]


def test_a_new_session_forgets_state_and_digest(board, steps):
    inputs, states, _ = steps
    step = Command.STEP, b"\1" + inputs[0]
    answers = talk(board, hello(), body(8, *step), hello(3, SESSION + 1), body(4, *step, session=SESSION + 1))
    assert answers[1][4] == answers[3][4] == states[0] + digest(states[0])


def test_what_is_damaged_is_said_and_ignored(board, steps):
    inputs, states, _ = steps
    frame = bytearray(encode_frame(body(8, Command.STEP, b"\1" + inputs[0])))
    frame[5] ^= 4
    too_long = encode_frame(body(8, Command.WRITE, bytes(500)))
    for raw in (bytes(frame), too_long, b"hello?\0", b"\0\5\1\0", encode_frame(b""), encode_frame(b"abc")):
        data = encode_frame(hello()) + raw
        answers = talk(board, body(8, Command.STEP, b"\1" + inputs[0]), raw=data)
        assert answers[1] == (0, 0, 0x80, Status.DAMAGED, struct.pack("<HH", SESSION, 7))
        assert answers[2][4] == states[0] + digest(states[0])


def test_the_longest_frame_is_taken(board):
    answers = talk(board, hello(), body(8, Command.WRITE, b"\0" + bytes(4) + bytes(128 - 5 - 5)), body(9, Command.WRITE, bytes(129 - 5)))
    assert [answer[3] for answer in answers] == [Status.OK, Status.BAD_ARGUMENTS, Status.DAMAGED]


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (Command.STEP, b""),
        (Command.STEP, b"\1\0"),
        (Command.STEP, b"\1" + bytes(14 * 8)),
        (Command.SCORES, b""),
        (Command.SCORES, b"\1\0"),
        (Command.RUN, b"\1\0"),
        (Command.WRITE, b"\0\0\0\0"),
        (Command.WRITE, b"\0\0\0\0\1" + bytes(14)),
        (Command.WRITE, b"\3" + bytes(6)),
        (Command.WRITE, b"\1\xff\xff\xff\xff\0"),
        (Command.READ, b"\2" + bytes(4)),
        (Command.READ, b"\2" + bytes(4) + b"\xff\xff"),
        (Command.READ, b"\2\xff\xff\xff\xff\0\0"),
        (Command.LAYER, bytes(7)),
        (Command.LAYER, b"\xff\xff" + bytes(6)),
        (Command.LAYER, b"\0\0\xff\xff\xff\xff\1\0"),
        (Command.LAYER, b"\0\0\0\0\0\0\xff\0"),
    ],
)
def test_bad_arguments_are_refused(board, command, arguments):
    answers = talk(board, hello(), body(8, command, arguments), body(9, Command.RESET))
    assert [answer[3] for answer in answers] == [Status.OK, Status.BAD_ARGUMENTS, Status.OK]
    assert answers[1][4] == b""


def test_unknown_commands_are_refused(board):
    for command in (0, 11, 0x7F):
        assert [answer[3] for answer in talk(board, hello(), body(8, command))] == [Status.OK, Status.UNKNOWN_COMMAND]


def test_buffers_are_written_and_read_in_pieces(board):
    state = np.arange(board.model.graphs["step"].state_inputs[0].type.size).astype("<i2").tobytes()
    answers = talk(
        board,
        hello(),
        body(8, Command.WRITE, b"\1" + (4).to_bytes(4, "little") + state[4:]),
        body(9, Command.WRITE, b"\1" + bytes(4) + state[:4]),
        body(10, Command.READ, b"\1" + (2).to_bytes(4, "little") + (6).to_bytes(2, "little")),
        body(11, Command.READ, b"\1" + bytes(4) + len(state).to_bytes(2, "little")),
        body(12, Command.RESET),
        body(13, Command.READ, b"\1" + bytes(4) + len(state).to_bytes(2, "little")),
    )
    assert [answer[4] for answer in answers[3:]] == [state[2:8], state, b"", bytes(len(state))]


def test_a_layer_is_computed_from_what_was_written(board):
    graph = board.model.graphs["step"]
    rng = np.random.default_rng(5)
    inputs = {v.name: rng.integers(v.type.format.low, v.type.format.high + 1, (1, *v.type.shape)) for v in graph.inputs}
    expected = evaluate_graph(graph, inputs)
    values = [name for node in graph.nodes for name in node.outputs]
    (h,), x = graph.state_inputs, board.model.input
    for layer, name in enumerate(values):
        wanted = expected[name].astype("<i2").tobytes()
        answers = talk(
            board,
            hello(),
            body(8, Command.WRITE, b"\1" + bytes(4) + inputs[h.name].astype("<i2").tobytes()),
            body(9, Command.WRITE, b"\0" + bytes(4) + inputs[x.name].astype("<i2").tobytes()),
            body(10, Command.LAYER, struct.pack("<HIH", layer, 2, len(wanted) - 2)),
            body(11, Command.DIGEST),
        )
        assert answers[3][4] == wanted[2:], name
        assert answers[4][4] == bytes(4) + digest()


@pytest.mark.parametrize("seed", range(3))
def test_garbage_never_breaks_it(board, seed):
    """Random bytes, and random bodies in good frames, under the address and undefined-behaviour sanitizers."""
    rng = np.random.default_rng(seed)
    garbage = [rng.integers(0, 256, 5000).astype(np.uint8).tobytes() + b"\0"]
    number = 7
    for _ in range(300):
        number += int(rng.integers(0, 3) > 0)
        size = int(rng.choice([0, 1, 2, 5, 6, 7, 15, 29, 60, 123]))
        arguments = rng.integers(0, rng.choice([2, 256]), size).astype(np.uint8).tobytes()
        garbage.append(encode_frame(body(number, int(rng.integers(0, 13)), arguments)))
    answers = talk(board, raw=encode_frame(hello()) + b"".join(garbage))
    assert len(answers) >= 300
    assert {answer[3] for answer in answers} >= {Status.OK, Status.BAD_ARGUMENTS, Status.UNKNOWN_COMMAND}


def test_a_model_without_state(build_board):
    board = build_board(cell="int8_block", firmware=SANITIZED, count=2)
    scores = evaluate(board.model, board.x).scores.astype("i1")
    x = board.x[0].astype("<i2").tobytes()
    answers = talk(
        board,
        hello(),
        body(8, Command.RUN, b"\1" + x),
        body(9, Command.WRITE, b"\0" + bytes(4) + board.x[1].astype("<i2").tobytes()),
        body(10, Command.RUN, b"\1"),
        body(11, Command.STEP, b"\1" + x),
        body(12, Command.SCORES, b"\1"),
    )
    assert answers[1][4] == scores[0].tobytes() + digest(scores[0].tobytes())
    assert answers[3][4] == scores[1].tobytes() + digest(scores[:2].tobytes())
    assert [answer[3] for answer in answers[4:]] == [Status.UNKNOWN_COMMAND] * 2


def test_every_core_has_a_line():
    assert set(UARTS) == {"host", *CORES}


def test_a_missing_export_says_how_to_make_it(board, tmp_path):
    with pytest.raises(InputError, match="rescomp export --format c"):
        build_parity_firmware(None, board.model, tmp_path / "nowhere", tmp_path)


@pytest.mark.parametrize("core", ["cortex-m0", "atmega328p"])
def test_a_model_beyond_the_ram_is_a_budget_error(build_board, tmp_path, core):
    build_board(core, count=5)
    t = TensorType((9000,), Format(3))
    model = IntegerModel("large", {"whole": Graph("whole", (Value("x", t),), (Node("relu", Relu(), ("x",), ("y",)),), ("y",))})
    write_export(tmp_path / "large", model)
    with pytest.raises(BudgetError, match=r"its ram is .*too small"):
        build_parity_firmware(CORES[core], model, tmp_path / "large", tmp_path)
