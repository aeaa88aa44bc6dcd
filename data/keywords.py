"""The classes of a keyword task that are no words of it, as MLPerf Tiny makes them: other words, and silence cut out of noise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..errors import InputError, counted, did_you_mean
from ..recipe import DataSection
from .splits import permutation
from .wav import WavFile
from .wav_clips import WHOLE_SCALE, Excerpt
from .wav_folders import SIDES, Side

UNKNOWN_WORD, SILENCE = "unknown", "silence"
"""Names of the two classes."""
MOST_NOISE_PARTS = 10
"""Into which a file of noise is cut, whole parts being of one side."""

SidedExcerpt = tuple[Excerpt, Side]


def among_words(source: object, pieces: Sequence[Excerpt], data: DataSection) -> list[Excerpt]:
    """The pieces of data.words as they are, all others as `unknown`, or left out without data.unknown.

    Raises InputError for a word that there is not, or where no other word is left to be unknown.
    """
    if data.words is None:
        if data.unknown is not None:
            raise InputError("data.unknown is a share of the words beside data.words, which is unset: set both, or neither")
        return list(pieces)
    labels = {piece.label for piece in pieces}
    for word in data.words:
        if word not in labels:
            raise InputError(f"{source} has no class {word!r} (data.words){did_you_mean(word, labels) or ': leave it out'}")
    if data.unknown is not None and labels == set(data.words):
        raise InputError(f"{source} has no class beside data.words, out of which `{UNKNOWN_WORD}` could be made: leave data.unknown out")
    named = [piece if piece.label in data.words else replace(piece, label=UNKNOWN_WORD) for piece in pieces]
    return [piece for piece in named if piece.label != UNKNOWN_WORD or UNKNOWN_WORD in data.words or data.unknown is not None]


def class_of(label: str, classes: Sequence[str], data: DataSection) -> str:
    """What a label is to a model of those classes: itself, or `unknown` where it is none of data.words and the model has that class."""
    return UNKNOWN_WORD if data.words is not None and label not in classes and UNKNOWN_WORD in classes else label


def fewer_unknown(pieces: Sequence[SidedExcerpt], data: DataSection) -> list[SidedExcerpt]:
    """Of each side's unknown words so many as data.unknown of its known ones, drawn from data.split_seed, or all that there are."""
    if data.unknown is None:
        return list(pieces)
    kept = np.ones(len(pieces), np.bool_)
    for number, side in enumerate(SIDES):
        others = [row for row, (piece, at) in enumerate(pieces) if at == side and piece.label == UNKNOWN_WORD]
        wanted = math.ceil(data.unknown * (sum(at == side for _, at in pieces) - len(others)))
        order = permutation(len(others), len(SIDES) * data.split_seed + number)
        kept[[others[place] for place in order[wanted:].tolist()]] = False
    return [piece for piece, here in zip(pieces, kept, strict=True) if here]


def with_silence(pieces: Sequence[SidedExcerpt], noise: Sequence[WavFile], first: int, rate: int, data: DataSection) -> list[SidedExcerpt]:
    """The pieces, and of each side pieces of noise of the longest one's length, so many as data.silence of its words.

    noise: the files, of which the first is number `first`. Each is as loud as drawn, between nothing and the noise itself. Test pieces lie
    in the last parts of each file, validation pieces before them; no part is of two sides. Raises InputError for a file too short for that.
    """
    if data.silence is None:
        return list(pieces)
    if any(piece.label == SILENCE for piece, _ in pieces):
        raise InputError(f"there is a class {SILENCE!r}, and data.silence makes another of that name: leave it out, or rename the class")
    length = data.window or max(piece.length for piece, _ in pieces)
    there = [side for side in SIDES if any(at == side for _, at in pieces)]
    made = list(pieces)
    for number, side in enumerate(there):
        parts = [part for place, wav in enumerate(noise) for part in _parts(wav, first + place, length, rate, there, side, data)]
        words = sum(at == side and piece.label != UNKNOWN_WORD for piece, at in pieces)
        draws = np.random.PCG64(len(SIDES) * data.split_seed + number).random_raw(3 * math.ceil(data.silence * words)).reshape(-1, 3)
        made += [(_drawn(parts[int(which) % len(parts)], int(begin), int(loud), length), side) for which, begin, loud in draws]
    return made


def _parts(
    wav: WavFile, number: int, length: int, rate: int, sides: Sequence[Side], side: Side, data: DataSection
) -> Iterator[tuple[int, int, int, int, str]]:
    """(file, begin, end, samples that a piece takes, group) of each part of a file of noise that is of one side."""
    needed = -(-length * wav.sample_rate // rate)
    count = min(MOST_NOISE_PARTS, wav.samples // needed)
    if count < len(sides):
        raise InputError(
            f"{wav.path} has {counted(wav.samples, 'sample')} of noise, too few for {counted(len(sides), 'piece')} of {needed:,}, one a "
            "side of the split: record more, or take the file away"
        )
    held = max(1, min(round(count * data.test_fraction), (count - 1) // (len(sides) - 1))) if len(sides) > 1 else 0
    of_training = count - held * (len(sides) - 1)
    place = sides.index(side)
    numbers = range(of_training) if place == 0 else range(of_training + held * (place - 1), of_training + held * place)
    size = wav.samples // count
    for part in numbers:
        yield number, part * size, (part + 1) * size, needed, f"{wav.path.name}, part {part}"


def _drawn(part: tuple[int, int, int, int, str], begin: int, loud: int, length: int) -> Excerpt:
    """A piece of a part. begin, loud: 64 random bits each."""
    file, first, end, needed, group = part
    start = first + begin % (end - first - needed + 1)
    return Excerpt(file, start, start + needed, length, SILENCE, group, 1 + loud % WHOLE_SCALE)
