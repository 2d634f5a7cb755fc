"""Whether a prompt or its image stands in a benchmark: what models will be measured by, they must not be trained on."""

import hashlib
import re
import unicodedata
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.gates import listings
from pipeline.pictures.groups import TURNED
from pipeline.pictures.hashes import DIGITS, LAYOUT, hashed
from pipeline.pictures.likeness import alike, comparable
from pipeline.pictures.rebuild import Unfit, rebuilt

GRAM = 13
"""Words in a row that two texts share by copying only: as GPT-3's authors have it (arXiv 2005.14165, appendix C)."""
_BASE = np.uint64(0x9E3779B97F4A7C15)
_LOT = 4096
"""Texts that are hashed at once."""
_WORD = re.compile(r"[^\W_]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FINGERPRINT = re.compile(rf"[0-9a-f]{{{DIGITS}}}")


@dataclass(frozen=True)
class Benchmarks:
    """The benchmarks in these files and folders, each named as its file or folder is. A folder is searched to its depth.

    - texts: .txt (one a line), .csv, .tsv, .jsonl, .parquet (the columns question, prompt, text, instruction, as many of
      them as there are);
    - images: .jpg, .jpeg, .png, .webp; or their hashes in a .txt, one a line: SHA-256 of the file, or our fingerprint.

    Files are read when the first question is asked, and kept as hashes of 64 bits: 8 bytes for each word of a text.
    Raises UserError where there is nothing to read.
    """

    paths: tuple[Path, ...]

    def __post_init__(self) -> None:
        for path in self.paths:
            listings.files(path)

    def revision(self) -> str:
        """A hash over the files' names and bytes."""
        digest = hashlib.sha256()
        for path in self.paths:
            for file in listings.files(path):
                with file.open("rb") as opened:
                    digest.update(f"{path.name}/{file.name}".encode() + hashlib.file_digest(opened, "sha256").digest())
        return digest.hexdigest()[:16]

    def question(self, text: str) -> str | None:
        """The benchmark with which a text has thirteen words in a row in common, or, if it is shorter, all of them."""
        wanted = _hashes([text])
        for name, known in self._texts:
            near = known[np.minimum(np.searchsorted(known, wanted), len(known) - 1)]
            if (near == wanted).any():
                return name
        return None

    def image(self, sha256: str, original_sha256: str, fingerprint: str) -> str | None:
        """The benchmark that holds the image: the same file, or one that looks the same (`pictures.hashes`)."""
        exact, names, records = self._images
        if found := exact.get(sha256) or exact.get(original_sha256):
            return found
        if not names:
            return None
        one = _records([fingerprint])
        close = np.flatnonzero(np.bitwise_count(records["signs"] ^ one["signs"]).sum(1) <= TURNED)
        close = close[comparable(records[close], one)]
        same = close[alike(records[close], np.repeat(one, len(close)))]
        return names[same[0]] if len(same) else None

    @cached_property
    def _texts(self) -> list[tuple[str, NDArray[np.uint64]]]:
        """Of each benchmark with texts the hashes of its n-grams, in their order."""
        found = []
        for path in self.paths:
            texts = (text for text in listings.texts(path) if not _is_hash(text))
            known = array("Q")
            while lot := list(islice(texts, _LOT)):
                known.frombytes(_hashes(lot).tobytes())
            if known:
                grams = np.frombuffer(known, np.uint64)
                grams.sort()
                found.append((_name(path), grams))
        return found

    @cached_property
    def _images(self) -> tuple[dict[str, str], list[str], NDArray[np.void]]:
        """SHA-256 to the benchmark's name; and of each fingerprint the name, and what it says."""
        exact: dict[str, str] = {}
        names: list[str] = []
        fingerprints: list[str] = []
        for path in self.paths:
            for digest, fingerprint in _pictures(path):
                exact.update(dict.fromkeys(digest, _name(path)))
                names.extend([_name(path)] * len(fingerprint))
                fingerprints.extend(fingerprint)
        return exact, names, _records(fingerprints)


def _name(path: Path) -> str:
    return path.name if path.is_dir() else path.stem


def _pictures(path: Path) -> Iterator[tuple[list[str], list[str]]]:
    """SHA-256 and fingerprints of one picture after the other. Of a file that is no good picture there is only its own hash."""
    for file in listings.files(path):
        if file.suffix.lower() in listings.IMAGES:
            data = file.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            try:
                picture = rebuilt(data)
            except Unfit:
                yield [digest], []
            else:
                yield [digest, picture.sha256], [hashed(picture.image)]
    for text in listings.texts(path):
        if _SHA256.fullmatch(text.lower()):
            yield [text.lower()], []
        elif _FINGERPRINT.fullmatch(text.lower()):
            yield [], [text.lower()]


def _records(fingerprints: list[str]) -> NDArray[np.void]:
    return np.frombuffer(bytes.fromhex("".join(fingerprints)), LAYOUT)


def _is_hash(text: str) -> bool:
    return len(text) in (64, DIGITS) and bool(_SHA256.fullmatch(text.lower()) or _FINGERPRINT.fullmatch(text.lower()))


def _hashes(texts: list[str]) -> NDArray[np.uint64]:
    """64 bits for every thirteen words in a row of each text, without case and signs; a shorter one is filled up."""
    words = [_words(text) for text in texts]
    words = [some + [""] * (GRAM - len(some)) for some in words if some]
    flat = np.fromiter((_hash(word) for some in words for word in some), np.uint64)
    rolled = np.zeros(max(len(flat) - GRAM + 1, 0), np.uint64)
    for place in range(GRAM):  # a polynomial of the words, modulo 2^64
        rolled = rolled * _BASE + flat[place : place + len(rolled)]
    starts = np.ones(len(rolled), np.bool_)
    for end in np.cumsum([len(some) for some in words[:-1]]).tolist():
        starts[end - GRAM + 1 : end] = False  # these would run on into the next text
    return rolled[starts]


def _words(text: str) -> list[str]:
    return _WORD.findall((text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold())


@lru_cache(maxsize=1 << 17)
def _hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(errors="replace"), digest_size=8).digest(), "little")
