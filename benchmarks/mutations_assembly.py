"""Mutants of assembly: conditions, shifts, registers, offsets, constants, and instructions left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from mutations import Mutant
from mutations_c import Edit, edit_mutant


def _pairs(text: str) -> dict[str, Sequence[str]]:
    """`this:that,other` as an entry from this to the others."""
    return {word: others.split(",") for word, others in (entry.split(":") for entry in text.split())}


CONDITIONS: Mapping[str, Sequence[str]] = _pairs(
    "eq:ne ne:eq hs:hi,lo lo:ls,hs hi:hs,ls ls:lo,hi ge:gt,lt lt:le,ge gt:ge,le le:lt,gt mi:pl pl:mi cs:cc cc:cs vs:vc vc:vs ltu:geu "
    "geu:ltu eqz:nez nez:eqz ltz:gez gez:ltz sh:lo tc:ts ts:tc gtz:gez lez:ltz bc:bs bs:bc"
)
BRANCH = re.compile(
    rf"(?<=\sb)({'|'.join(CONDITIONS)})(?=\s)|(?<=\sbr)({'|'.join(CONDITIONS)})(?=\s)|(?<=\sit )({'|'.join(CONDITIONS)})(?=\s)"
)
SHIFTS: Mapping[str, Sequence[str]] = _pairs(
    "lsls:lsrs lsrs:asrs asrs:lsrs lsl:lsr lsr:asr asr:lsr slli:srli srli:srai srai:srli sll:srl srl:sra sra:srl ror:lsr rol:lsl"
)
SHIFT = re.compile(rf"\b({'|'.join(SHIFTS)})\b(?=\s)")
SHIFTED = re.compile(r"(?<=(?:lsl|lsr|asr) #)\d+")
REGISTER = re.compile(r"\b(r\d+|lr|[ast]\d+|[XYZ](?=\+|\b))(?=[,\s\]}])")
OFFSET = re.compile(r"(?<=[YZ]\+)\w+\b|(?<=, #)\w+(?=\])|(?<=, )-?\d+(?=\([a-z]\w*\))|(?<=\s)-?\d+(?=\([a-z]\w*\))")
CONSTANT = re.compile(r"(?<=#)-?(?:0x[0-9a-f]+|\d+)\b(?!\])|(?<=, )-?(?:0x[0-9a-f]+|\d+)\b(?!\()|(?<=#define )\w+ \d+\b")
INSTRUCTION = re.compile(r"(?m)^[ \t]+(?!\.)[a-z][\w.]*[ \t][^\n:]*\n")
COMMENT = re.compile(
    r"(?s)/\*.*?\*/|@[^\n]*|//[^\n]*|^[ \t]*\.(?:global|type|size|balign|align|section|text|syntax|thumb\w*)\b[^\n]*", re.MULTILINE
)


def assembly_mutants(model: str, file: str, text: str) -> Iterator[Mutant]:
    """Every mutant of one assembly file."""
    code = COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    for edit in _edits(code):
        if edit.after != text[edit.start : edit.end]:
            yield edit_mutant(model, file, text, edit)


def _edits(code: str) -> Iterator[Edit]:
    for match in BRANCH.finditer(code):
        yield from (Edit("condition", *match.span(), after) for after in CONDITIONS[match[0]])
    for match in SHIFT.finditer(code):
        yield from (Edit("shift", *match.span(), after) for after in SHIFTS[match[0]])
    for match in SHIFTED.finditer(code):
        yield from (Edit("shift", *match.span(), str(int(match[0]) + step)) for step in (1, -1))
    for match in OFFSET.finditer(code):
        yield from (
            Edit("offset", *match.span(), f"({match[0]}{step})" if not _is_number(match[0]) else str(int(match[0], 0) + int(step)))
            for step in ("+1", "-1", "+2")
        )
    for match in CONSTANT.finditer(code):
        yield from _constants(match)
    for line in INSTRUCTION.finditer(code):
        yield from _registers(line)
        yield Edit("instruction", *line.span(), "\n")


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?(0x[0-9a-f]+|\d+)", text) is not None


def _constants(match: re.Match[str]) -> Iterator[Edit]:
    word = match[0].rpartition(" ")[2]
    value, start = int(word, 0), match.end() - len(word)
    for step in (1, -1):
        yield Edit("constant", start, match.end(), hex(value + step) if "x" in word and value + step >= 0 else str(value + step))


def _registers(line: re.Match[str]) -> Iterator[Edit]:
    """A register of an instruction instead of another one of it, or the next one."""
    found = list(REGISTER.finditer(line[0]))
    for match in found:
        others = {other[0] for other in found} - {match[0]}
        numbered = re.fullmatch(r"([rast])(\d+)", match[0])
        if numbered:
            others.add(f"{numbered[1]}{int(numbered[2]) + (1 if int(numbered[2]) % 2 == 0 else -1)}")
        for after in sorted(others):
            yield Edit("register", line.start() + match.start(), line.start() + match.end(), after)
