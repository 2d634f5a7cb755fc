"""Files on this machine that a source reads: which there are, what they are called, and their bytes."""

import glob
import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from pipeline.errors import UserError
from pipeline.tables import row_id

MOST_BYTES = 64 << 20
"""Of one image; what is larger is no picture that a model takes in."""
_ESCAPED = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|[\\ntr])")


def named(path: Path) -> str:
    """A source's name after its file or folder, wherever that lies: letters, digits and dashes."""
    return slug(path.name.partition("*")[0] or path.parent.resolve().name)


def slug(text: str, *of: object) -> str:
    """Text as letters, digits and dashes, at most 40, and six digits more that stand for what else it is of."""
    short = re.sub("[^A-Za-z0-9]+", "-", text).strip("-")[:40].strip("-") or "source"
    return f"{short}-{row_id(*of)[:6]}" if of else short


def natural(path: PurePath) -> list[str | int]:
    """To sort by: numbers in names count as numbers, so that part 2 comes before part 10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", str(path))]


def rooted(path: Path) -> tuple[Path, str]:
    """The folder that all files are in which a path means, and a pattern from there: a path may be a file, a folder, or a
    pattern itself."""
    if path.is_dir():
        return path, "**/*"
    fixed = next((n for n, part in enumerate(path.parts) if re.search(r"[*?\[]", part)), len(path.parts))
    if path.is_file() or fixed == len(path.parts):
        return path.parent, glob.escape(path.name)
    return Path(*path.parts[:fixed]), "/".join(path.parts[fixed:])


def found(path: Path, *suffixes: str) -> list[Path]:
    """The files that a path means and that end so; hidden ones are none."""
    root, pattern = rooted(path)
    files = [
        file
        for file in root.glob(pattern)
        if file.name.endswith(suffixes) and not hidden(file.relative_to(root)) and file.is_file()
    ]
    if not files:
        raise UserError(f"no file {' or '.join(f'*{s}' for s in suffixes)} at {path}; check the path of this source")
    return sorted(files, key=natural)


def hidden(inner: PurePath) -> bool:
    """Whether a name in a path begins with a dot."""
    return any(part.startswith(".") and part != ".." for part in inner.parts)


def stamp(root: Path, files: Iterable[Path], *settings: object) -> str:
    """16 hexadecimal digits that change when a file comes, goes or changes (by its size and time), or a setting does."""
    digest = hashlib.sha256(repr(settings).encode())
    for file in files:
        name = ascii(file.relative_to(root).as_posix())
        try:
            stat = file.stat()
            digest.update(f"{name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        except OSError as error:  # a link into nothing, a folder that may not be looked into
            digest.update(f"{name} {error.errno}\n".encode())
    return digest.hexdigest()[:16]


def whole(file: Path) -> bytes:
    """A file's bytes."""
    return part(file, 0, file.stat().st_size)


def part(file: Path, offset: int, size: int) -> bytes:
    """A piece of a file, which is opened for it alone: threads share nothing."""
    if size > MOST_BYTES:
        raise OSError(f"too large: {size / 1e6:.0f} MB")
    if not file.is_file():
        raise OSError("no file" if not file.exists() else "not a file, but a folder, a pipe or a device")
    with file.open("rb") as opened:
        opened.seek(offset)
        data = opened.read(size)
    if len(data) < size:
        raise OSError(f"cut off: {len(data)} of {size} bytes are there")
    return data


def quoted(name: str) -> str:
    """A name in which every character can be printed; others, and backslashes, as Python writes them. `unquoted` undoes it."""
    if name.isprintable() and "\\" not in name:
        return name
    return "".join(c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode() for c in name)


def unquoted(name: str) -> str:
    """The name that was quoted."""
    return _ESCAPED.sub(lambda found: found[0].encode().decode("unicode_escape"), name)


def lines(file: Path, most: int) -> Iterator[bytes]:
    """Lines without their ends; of a line longer than `most` bytes, its beginning."""
    with file.open("rb") as opened:
        while line := opened.readline(most):
            yield line.rstrip(b"\r\n")
            while not line.endswith(b"\n") and len(line) == most:
                line = opened.readline(most)
