"""JSON and TOML that somebody else wrote: what Python's parsers would take, and every other part would stumble over, is refused."""

import sys
import unicodedata

import pytest

from rescomp.documents import MOST_DEPTH, MOST_DOCUMENT_BYTES, is_count, parse_json, parse_toml
from rescomp.text_files import escaped, is_shown


def test_every_character_is_shown_but_what_unicode_has_for_control_and_what_turns_lines():
    unshown = {*map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))}
    for each in map(chr, range(sys.maxunicode + 1)):
        shown = unicodedata.category(each) not in {"Cc", "Cs", "Zl", "Zp"} and each not in unshown
        assert is_shown(each) == is_shown(f"a{each}b") == shown, ascii(each)
        assert escaped(each) == (each if shown or each == "\n" else ascii(each)[1:-1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[NaN]", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("[1e999]", "1e999 is too large"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' stands in it twice"),
        ("[" * 100_000 + "]" * 100_000, "nested more than 64 deep"),
        ("[" * (MOST_DEPTH + 1) + "]" * (MOST_DEPTH + 1), "nested more than 64 deep"),
        ('{"a":' * (MOST_DEPTH + 1) + "1" + "}" * (MOST_DEPTH + 1), "nested more than 64 deep"),
        ("[" + "1" * 5000 + "]", "4300"),
        (" " * MOST_DOCUMENT_BYTES + "1", "has at most 8,388,608"),
        (b"\xff\xfe", "UTF-8"),
        ("", "Expecting value"),
        (r'["a\u001b[2Jb"]', r"the text 'a\\x1b\[2Jb' holds a control character"),
        (r'{"a": [{"b\u009b": 1}]}', "holds a control character"),
        (r'"\u202eb"', "holds a control character"),
        (r'"\ud800"', "holds a control character"),
        (r'"a\rb"', "holds a control character"),
    ],
)
def test_json_that_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 10_000 + "]" * 10_000, "nested more than 64 deep"),
        ("a = " + "{b=" * 10_000 + "1" + "}" * 10_000, "nested more than 64 deep"),
        ("[" + ".".join("a" * 100) + "]", "nested more than 64 deep"),
        ("a = " + "1" * 5000, "4300"),
        ("a = 1\na = 2", "Cannot overwrite"),
        (b"a = '\xff'", "UTF-8"),
        ("#" * MOST_DOCUMENT_BYTES + "#", "has at most 8,388,608"),
        (r'a = "x\u001by"', "holds a control character"),
        (r'"x\u007f" = 1', "holds a control character"),
    ],
)
def test_toml_that_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_toml(text)


def test_what_is_taken():
    assert parse_json(b'\xef\xbb\xbf{"a": [1, -2.5, "x", null, true]}') == {"a": [1, -2.5, "x", None, True]}
    assert parse_json("[" * MOST_DEPTH + "]" * MOST_DEPTH)
    assert parse_json(r'["a\n\tb", "l\u00e4uft\u00a0\u200d"]') == ["a\n\tb", "l\u00e4uft\u00a0\u200d"]
    assert parse_toml(b"\xef\xbb\xbfa = 1\r\n[b]\nc = [0x10]\r\n") == {"a": 1, "b": {"c": [16]}}


def test_true_is_no_count():
    assert [is_count(value) for value in (0, 7, True, 1.0, "1", -1, 1 << 31, None)] == [True, True, *[False] * 6]
