"""The witness serial, against firmware that runs on this machine: it agrees, it names what differs, and every failure is a sentence."""

import errno
import json
import os
import pty
import re
import select
import socket
import threading
import time
import tty
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import serial

from rescomp.cli import main
from rescomp.errors import DeviceError, InputError, MissingToolError, UnsupportedError
from rescomp.graph.decide import Decision
from rescomp.graph.evaluate import evaluate, evaluate_graph
from rescomp.graph.serialize import digest
from rescomp.model_directory import ModelDirectory
from rescomp.stages.artefacts import model_files
from rescomp.stages.golden_vectors import vector_files
from rescomp.validate import parity_device, serial_line, serial_port
from rescomp.validate.compare import compare
from rescomp.validate.parity_device import ParityDevice
from rescomp.validate.parity_protocol import Command, Deframer, Hello, encode_frame
from rescomp.validate.registry import load_witness
from rescomp.validate.serial_line import SerialLine, parse_port
from rescomp.validate.serial_machines import serial_machine
from rescomp.validate.serial_port import SerialPort, describe_estimate

FORMS = [
    ({"weights": "ternary"}, {}),
    ({"weights": "int8", "low_rank": True, "power_of_two": False}, {"frame_bytes": 128}),
    ({"cell": "gru", "layers": 2}, {}),
    ({"cell": "lstm", "weights": "sparse_delta_int8"}, {"frame_bytes": 128}),
    ({"cell": "mixed"}, {}),
    ({"cell": "mixed", "reads": "int8", "answers": "int8"}, {"frame_bytes": 128}),
    ({"cell": "int8_block"}, {}),
    ({"cell": "int8_block", "shape": (7, 30)}, {"frame_bytes": 128}),
    ({"cell": "block"}, {}),
    ({"cell": "fastgrnn", "hidden": 90, "weights": "ternary"}, {"frame_bytes": 128}),
]
"""Forms of a model, and of its firmware: the last needs several frames for one state, others for one input or for the scores."""


DECIDING = {"weights": "ternary", "decision": Decision(2, 30, 2, 3, (-400, 0, 100, -9000))}


@pytest.fixture(scope="module")
def board(build_board):
    return build_board(weights="ternary", count=20, longest=12)


@pytest.mark.parametrize(("form", "firmware"), [*FORMS, (DECIDING, {}), (DECIDING, {"frame_bytes": 128})], ids=str)
def test_it_agrees(build_board, form, firmware):
    board = build_board(firmware=firmware, **form)
    with serial_machine(None, board.elf) as port:
        assert board.verify(port).mismatches == 0


def test_it_agrees_over_a_pseudo_terminal(board):
    with serial_machine(None, board.elf, "pty") as port:
        witness = SerialPort(hello_seconds=3)
        assert board.verify(port, witness).mismatches == 0
        assert board.verify(f"{port}@9600", witness).mismatches == 0


@pytest.mark.parametrize(("form", "firmware"), [FORMS[i] for i in (0, 1, 3, 5, 9)], ids=str)
def test_sequences_begin_with_the_states_given(build_board, random_states, form, firmware):
    board = build_board(firmware=firmware, **form)
    initial = random_states(np.random.default_rng(4), board.model, len(board.x))
    reference = evaluate(board.model, board.x.astype(np.int64), board.lengths, initial)
    with serial_machine(None, board.elf) as port:
        job = replace(board.job(port), initial=initial)
        (answer,) = SerialPort(hello_seconds=3).answers(job)
    assert compare(job, reference, answer.trajectory).mismatches == 0


def test_a_decision_s_layers_are_not_asked_of_a_board(build_board):
    board = build_board(**DECIDING)
    with serial_machine(None, board.elf) as port:
        witness = SerialPort(hello_seconds=3)
        assert board.verify(port, witness).compared > board.lengths.sum() * 11
        with pytest.raises(UnsupportedError, match="a decision's layers cannot be asked for"):
            witness.run_graph(board.model.graphs["decide"], {})


def test_a_sequence_longer_than_a_session_goes_on_in_the_next(build_board, monkeypatch):
    monkeypatch.setattr(parity_device, "REQUESTS_A_SESSION", 7)
    decision = DECIDING["decision"]
    board = build_board(hidden=90, weights="ternary", decision=decision, firmware={"frame_bytes": 128}, count=4, longest=40)
    started = []
    start = ParityDevice.start
    monkeypatch.setattr(ParityDevice, "start", lambda device: started.append(device) or start(device))
    with serial_machine(None, board.elf) as port:
        assert board.verify(port).mismatches == 0
    assert len(started) > 10


@pytest.mark.parametrize(("form", "firmware"), FORMS, ids=str)
def test_it_gives_every_layer(build_board, form, firmware):
    board = build_board(firmware=firmware, **form)
    rng = np.random.default_rng(3)
    with serial_machine(None, board.elf) as port:
        witness = SerialPort(hello_seconds=3)
        list(witness.answers(board.job(port)))
        for graph in board.model.graphs.values():
            inputs = {v.name: rng.integers(v.type.format.low, v.type.format.high + 1, (2, *v.type.shape)) for v in graph.inputs}
            expected, found = evaluate_graph(graph, inputs), witness.run_graph(graph, inputs)
            assert set(found) == {name for node in graph.nodes for name in node.outputs}
            for name, value in found.items():
                np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_another_models_layers_are_not_computed(board, build_board):
    graph = build_board(weights="int8").model.graphs["step"]
    with pytest.raises(UnsupportedError, match="own model"):
        SerialPort().run_graph(graph, {})


def plant(folder):
    """Flip a bit of the recurrent product's weights."""
    path, pattern = folder / "tiny.c", r"(recurrent_product_weight\[\d+\] = \{\s*0x)([0-9a-f]{2})"
    text, count = re.subn(pattern, lambda match: f"{match[1]}{int(match[2], 16) ^ 1:02x}", path.read_text(), count=1)
    assert count == 1
    path.write_text(text)


@pytest.fixture
def model_directory(build_board, tmp_path):
    """A function (plant) -> (model directory with golden vectors, the board that runs its firmware)."""

    def make(plant=None):
        board = build_board(weights="ternary", count=20, longest=12, plant=plant)
        directory = ModelDirectory.create(tmp_path / "model")
        fraction_bits = board.model.input.type.format.fraction_bits
        data, rest = {"sha256": "0" * 64, "channels": 7}, {"input": {"fraction_bits": fraction_bits}, "versions": {"rescomp": ""}}
        directory.update_manifest(
            contract=1, name="tiny", classes=list(board.model.classes), data=data, graph_sha256=digest(board.model), **rest
        )
        directory.write(model_files(board.model))
        trajectory = evaluate(board.model, board.x.astype(np.int64), board.lengths)
        directory.write(vector_files(board.x, board.lengths, np.argmax(trajectory.scores, axis=1), trajectory))
        return tmp_path / "model", board

    return make


def test_verify_from_the_command_line(model_directory, capsys):
    path, board = model_directory()
    with serial_machine(None, board.elf) as port:
        assert main(["verify", str(path), "--against", f"serial:{port}"]) == 0
    out, err = capsys.readouterr()
    assert re.search(rf"serial:{port} +host +parity protocol 2, API \d+ +[\d,]+ +[\d,]+ +- +- +0", out)
    assert re.search(r"20/20 sequences +[\d.]+/s +[\d.]+ KB/s", err)


def test_a_mismatch_names_sequence_step_tensor_channel_and_values(model_directory, capsys):
    path, board = model_directory(plant)
    trajectory = evaluate(board.model, board.x.astype(np.int64), board.lengths)
    with serial_machine(None, board.elf) as port:
        assert main(["verify", str(path), "--against", f"serial:{port}"]) == 3
    said = capsys.readouterr().err
    found = re.search(r"the first is sequence (\d+), step (\d+), h\[(\d+)\]: expected (-?\d+), got (-?\d+)", said)
    sequence, step, channel, expected, got = map(int, found.groups())
    assert trajectory.states[sequence, step, channel] == expected != got
    kernel = r"recurrent_product \(rescomp_fully_connected_int16_ternary, graph step\)"
    differs = r"of \d+ steps? looked at, from step \d+ on, \d+ differs?, since step (\d+), in 1 of 10 channels"
    first = r"the first is recurrent_product\[(\d+)\]: expected (-?\d+), got (-?\d+)"
    found = re.search(f"the first layer that differs there is {kernel}, {differs}; {first}", said)
    assert found
    assert found[3] != found[4]
    (fault,) = [each["fault"] for each in json.loads((path / "report.json").read_text())["evidence"] if each["set"] == "test"]
    assert [fault[key] for key in ("step", "channel", "expected", "got")] == [int(group) for group in found.groups()]
    assert (fault["layer"], fault["kernel"], fault["sequence"]) == ("recurrent_product", "rescomp_fully_connected_int16_ternary", sequence)


def forget_to_reset(folder):
    path = folder / "tiny.c"
    text = path.read_text()
    assert "memset(state->h, 0, sizeof state->h);" in text
    path.write_text(text.replace("memset(state->h, 0, sizeof state->h);", "(void)state;"))


def test_a_fault_outside_the_layers_is_not_blamed_on_one(model_directory, capsys):
    """Every layer is right, but a sequence begins with the state in which the one before ended."""
    path, board = model_directory(forget_to_reset)
    with serial_machine(None, board.elf) as port:
        assert main(["verify", str(path), "--against", f"serial:{port}"]) == 3
    said = capsys.readouterr().err
    assert "the first is sequence 1, step 0" in said
    assert "asked for single steps, the board computes every layer right" in said


def test_progress_tells_rate_and_repetitions(board):
    told = []
    with serial_machine(None, board.elf) as port:
        job = board.job(port)
        list(SerialPort().answers(type(job)(job.model, job.directory, job.x, job.lengths, port, told.append)))
    assert (told[-1].done, told[-1].total, told[-1].unit) == (20, 20, "sequences")
    assert "KB/s" in told[-1].note


def test_the_bytes_that_are_announced_are_those_that_go_to_and_fro(board, monkeypatch):
    """Those of frames that hold several sequences, and of the greeting, are not announced."""
    devices = []

    def watched(*arguments):
        devices.append(ParityDevice(*arguments))
        return devices[-1]

    monkeypatch.setattr(serial_port, "ParityDevice", watched)
    with serial_machine(None, board.elf) as port:
        list(SerialPort().answers(board.job(port)))
    announced = describe_estimate([board.job("/dev/ttyACM0@9600")])
    count = int(re.match(r": ([\d,]+) bytes at 9600 baud take about (\d+) seconds$", announced)[1].replace(",", ""))
    assert count <= devices[0].report.bytes <= 1.25 * count
    seconds = count * 10 / 9600
    assert f"about {seconds:,.0f} seconds" in announced
    hours = describe_estimate([board.job("/dev/ttyACM0@9600")] * 2000)
    assert hours.endswith(f"take about {2000 * seconds / 60:,.0f} minutes; --samples N takes fewer")
    assert describe_estimate([board.job(port)]) == ""


# Failures, each with a sentence of its own and exit code 6.


def failure(board, port, seconds=1.0):
    """The text of the DeviceError, which must come soon."""
    start = time.monotonic()
    with pytest.raises(DeviceError) as caught:
        list(SerialPort(hello_seconds=seconds).answers(board.job(port)))
    assert time.monotonic() - start < seconds + 8
    assert caught.value.exit_code == 6
    return str(caught.value)


@contextmanager
def other_end(serve):
    """A TCP port at whose other end `serve(connection)` runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            connection, _ = listener.accept()
            with connection:
                serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"socket://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


def test_a_silent_port(board):
    master, slave = pty.openpty()
    tty.setraw(slave)
    assert "is silent" in failure(board, os.ttyname(slave))
    os.close(master)
    os.close(slave)


def test_a_port_that_takes_nothing(board, monkeypatch):
    monkeypatch.setattr(serial_line, "WRITE_SECONDS", 0.5)
    master, slave = pty.openpty()
    tty.setraw(slave)
    monkeypatch.setattr(parity_device.ParityDevice, "ask", lambda self, *_: self._line.write(bytes(1 << 20)))
    assert "takes no bytes" in failure(board, os.ttyname(slave))
    os.close(master)
    os.close(slave)


def test_wrong_firmware(board):
    def talk(connection):
        while select.select([connection], [], [], 0.05)[0] == [] or connection.recv(4096):
            connection.sendall(b"temperature 21.5 C\r\n")

    with other_end(talk) as port:
        said = failure(board, port)
    assert "no parity firmware" in said
    assert "temperature" in said


def test_an_echo(board):
    def echo(connection):
        while data := connection.recv(4096):
            connection.sendall(data)

    with other_end(echo) as port:
        assert "echoes" in failure(board, port)


def answer_hello(change):
    """A device that answers a hello with what `change` makes of the results that a good one gives."""

    def serve(connection):
        deframer = Deframer()
        while data := connection.recv(4096):
            for body in deframer.feed(data):
                connection.sendall(encode_frame(body[:4] + bytes([body[4] | 0x80, 0]) + change))

    return serve


GOOD = Hello(2, 4, 1, 1024, 0, 9, 14, 12, 8, bytes(32), "host", "tiny")


def test_another_protocol_version(board):
    data = GOOD.pack()
    with other_end(answer_hello(data[:4] + b"\x09\x00" + data[6:])) as port:
        said = failure(board, port)
    assert "speaks version 9" in said
    assert "this rescomp version 2" in said


def test_a_firmware_of_somebody_else_that_knows_frames(board):
    with other_end(answer_hello(b"something else")) as port:
        assert "is not rescomp's" in failure(board, port)


def test_another_model(board, build_board):
    other = build_board(weights="int8")
    with serial_machine(None, other.elf) as port:
        said = failure(board, port)
    assert "another version of it" in said
    assert "flash the parity firmware of this model" in said


def test_unplugged_in_the_middle(board):
    with serial_machine(None, board.elf) as good:
        host, _, number = good.removeprefix("socket://").partition(":")

        def some(connection):
            passed = 0
            with socket.create_connection((host, int(number))) as device:
                while passed < 3000:
                    for end in select.select([connection, device], [], [])[0]:
                        data = end.recv(4096)
                        passed += len(data)
                        (device if end is connection else connection).sendall(data)

        with other_end(some) as port:
            assert "unplugged" in failure(board, port)


def test_a_pseudo_terminal_that_closes(board):
    master, slave = pty.openpty()
    tty.setraw(slave)
    name = os.ttyname(slave)
    threading.Timer(0.4, lambda: (os.close(slave), os.close(master))).start()
    assert "unplugged" in failure(board, name, 3)


def test_a_device_that_stops_answering(board, monkeypatch):
    monkeypatch.setattr(parity_device, "ANSWER_SECONDS", 1.0)
    hello = real_hello(board)

    def serve(connection):
        deframer = Deframer()
        while data := connection.recv(4096):
            for body in deframer.feed(data):
                if body[4] == Command.HELLO:
                    connection.sendall(encode_frame(body[:4] + b"\x81\0" + hello))

    with other_end(serve) as port:
        monkeypatch.setattr(ParityDevice.ask, "__defaults__", (b"", 1.0, 0))
        assert "stopped answering" in failure(board, port)


def real_hello(board):
    """What the firmware of a board says of itself."""
    with serial_machine(None, board.elf) as port, SerialLine(port) as line:
        return ParityDevice(line).start().pack()


def test_a_device_that_restarts_all_the_time(board):
    """Its hello is always answered, and every other request refused for want of a session."""
    hello = real_hello(board)

    def serve(connection):
        deframer = Deframer()
        while data := connection.recv(4096):
            for body in deframer.feed(data):
                known = body[4] == Command.HELLO
                connection.sendall(encode_frame(body[:4] + bytes([body[4] | 0x80, 0 if known else 2]) + (hello if known else bytes(4))))

    with other_end(serve) as port:
        said = failure(board, port)
    assert "given up after" in said
    assert "started again" in said


def test_no_such_port(board, monkeypatch):
    monkeypatch.setattr(serial_line, "port_names", lambda: ["/dev/ttyACM7"])
    assert failure(board, "/dev/ttyACM99") == "there is no port /dev/ttyACM99: present here: /dev/ttyACM7"
    monkeypatch.setattr(serial_line, "port_names", list)
    assert "no serial port is present" in failure(board, "/dev/ttyACM99")


def test_permission_denied(board, monkeypatch):
    def refuse(*_, **__):
        raise serial.SerialException(errno.EACCES, "could not open port /dev/ttyACM0: [Errno 13] Permission denied")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    said = failure(board, "/dev/ttyACM0")
    assert "permission to open /dev/ttyACM0 is denied" in said
    assert "dialout" in said


def test_a_busy_port(board):
    with serial_machine(None, board.elf, "pty") as port, SerialLine(port):
        assert "is busy" in failure(board, port)


def test_nobody_listens(board):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
    assert "nothing listens at socket://127.0.0.1" in failure(board, f"socket://127.0.0.1:{number}")


def test_what_is_no_port(board, tmp_path):
    (tmp_path / "file").write_text("x")
    assert "cannot be opened" in failure(board, str(tmp_path / "file"))
    assert "nothing listens" in failure(board, "socket://nowhere.invalid:1")
    assert "cannot be opened" in failure(board, "carrier-pigeon://coop")


def test_the_argument():
    assert parse_port("/dev/ttyUSB0") == ("/dev/ttyUSB0", 115200)
    assert parse_port("COM3@9600") == ("COM3", 9600)
    assert parse_port("socket://localhost:5000") == ("socket://localhost:5000", 115200)
    with pytest.raises(InputError, match="needs a port"):
        load_witness("serial").check("")


def test_without_pyserial(monkeypatch, board):
    monkeypatch.setitem(__import__("sys").modules, "serial", None)
    monkeypatch.setitem(__import__("sys").modules, "serial.tools.list_ports", None)
    with pytest.raises(MissingToolError, match="pip install pyserial"):
        load_witness("serial").check("/dev/ttyACM0")
