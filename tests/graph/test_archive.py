"""An .npz archive gives what numpy would read from it, or one reason; nothing is allocated that it does not hold."""

import io
import struct
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

from rescomp.graph.archive import ArchiveError, ObjectArrayError, read_archive


def member(shape="(2,)", descr="'<i2'", payload=b"\0\0\0\0", fortran="False"):
    """A .npy file with any header."""
    header = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + payload


def archive(*members, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", compression) as out:
        warnings.simplefilter("ignore")  # of a name that is written twice
        for name, data in members or [("a.npy", member())]:
            out.writestr(name, data)
    return file.getvalue()


def read(data):
    return read_archive(io.BytesIO(data), len(data))


def test_all_that_numpy_writes_is_read():
    rng = np.random.default_rng(0)
    arrays = {
        "order": np.asfortranarray(rng.normal(size=(3, 4, 2))),
        "swapped": rng.integers(0, 9, (2, 3)).astype(">i2"),
        "none": np.zeros((0, 4), np.float32),
        "scalar": np.array(7),
        "text": np.array(["a", "ä", ""]),
        "flags": np.array([True, False]),
    }
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, **arrays)
        found = read(file.getvalue())
        assert set(found) == set(arrays)
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array)
            found[name][...] = array


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (archive(("a.npy", member("(1000000, 1000000)"))), r"announces \[1000000, 1000000\] of int16, which its"),
        (archive(("a.npy", member("(-2,)"))), r"announces \[-2\]"),
        (archive(("a.npy", member("(-1, -2)"))), r"announces \[-1, -2\]"),
        (archive(("a.npy", member("(1,)"))), "announces"),
        (archive(("a.npy", member("(2.0,)"))), "header of 'a.npy' is damaged"),
        (archive(("a.npy", member("(0, 1 << 70)", payload=b""))), "header of 'a.npy' is damaged"),
        (archive(("a.npy", member("(0, 9223372036854775808)", payload=b""))), r"no array can have the shape \[0, 9223372036854775808\]"),
        (archive(("a.npy", member("(" + "1," * 70 + ")", payload=b"\0\0"))), "no array can have the shape"),
        (archive(("a.npy", member("(" * 3000 + ")" * 3000))), "header of 'a.npy' is damaged"),
        (archive(("a.npy", member(descr="'V2'"))), "of type"),
        (archive(("a.npy", member(descr="[('x', '<i2')]"))), "of type"),
        (archive(("a.npy", member(descr="'nonsense'"))), "header of 'a.npy' is damaged"),
        (archive(("a.npy", b"no array")), "header of 'a.npy' is damaged"),
        (archive(("a.npy", b"")), "header of 'a.npy' is damaged"),
        (archive(("a.npy", member()), ("a.npy", member())), "holds 'a.npy' twice"),
        (archive(("notes.txt", b"hello")), "'notes.txt' is not an array"),
        (archive(compression=zipfile.ZIP_LZMA), "compressed in a way"),
        (archive(compression=zipfile.ZIP_BZIP2), "compressed in a way"),
        (archive()[:-30], "zip"),
        (archive()[:60] + archive()[70:], "."),
        (b"", "zip"),
    ],
)
def test_what_is_refused_and_why(data, message):
    with pytest.raises(ArchiveError, match=message):
        read(data)


def test_pickled_objects_are_refused_unread():
    with pytest.raises(ObjectArrayError, match="a"):
        read(archive(("a.npy", member(descr="'|O'"))))


def test_an_encrypted_member_is_refused():
    data = bytearray(archive(compression=zipfile.ZIP_STORED))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ArchiveError, match="is encrypted"):
        read(bytes(data))


def test_a_wrong_checksum_is_seen():
    data = bytearray(archive(compression=zipfile.ZIP_STORED))
    data[data.index(b"\n\0\0\0\0") + 2] ^= 1
    with pytest.raises(ArchiveError, match="CRC"):
        read(bytes(data))


def test_a_zip_bomb_is_refused_before_it_is_unpacked():
    """200 KB that would unpack to 200 MB, as two members that lie within the limit each."""
    zeros = member("(52428800,)", payload=bytes(100 << 20))
    data = archive(("a.npy", zeros), ("b.npy", zeros))
    del zeros
    tracemalloc.start()
    with pytest.raises(ArchiveError, match=r"would unpack to 209,715,\d+, and at most 67,108,864 are taken"):
        read(data)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_a_member_that_holds_more_than_it_declares_is_refused():
    """The directory says 4 bytes of entries, the stream goes on."""
    data = bytearray(archive(("a.npy", member("(1000,)", payload=bytes(2000)))))
    place = data.index(b"PK\x01\x02") + 24
    struct.pack_into("<I", data, place, len(member()))
    with pytest.raises(ArchiveError):
        read(bytes(data))
