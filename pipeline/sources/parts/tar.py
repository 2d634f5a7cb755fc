"""What a tar file holds, read from its headers alone. Nothing is unpacked, and no name in it is believed."""

import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

BLOCK = 512
LONGEST = 4096
"""Bytes of a name, or of a header's extensions: Linux knows no longer path."""
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"PK\x03\x04": "zip",
}
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_EXTENSIONS = (*_PAX, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
"""Members that say something of the next one."""
_NO_FILES = {
    tarfile.LNKTYPE: "a link in a tar is not followed",
    tarfile.SYMTYPE: "a link in a tar is not followed",
    tarfile.CHRTYPE: "a device, not a file",
    tarfile.BLKTYPE: "a device, not a file",
    tarfile.FIFOTYPE: "a pipe, not a file",
    tarfile.GNUTYPE_SPARSE: "a sparse file, which would have to be unpacked",
}
_WITHOUT_BYTES = {*_NO_FILES, tarfile.DIRTYPE} - {tarfile.GNUTYPE_SPARSE}


@dataclass(frozen=True)
class Member:
    """A file in a tar; or what is wrong in its place."""

    name: str
    """As the tar has it; bytes that are not UTF-8 as lone surrogates."""
    offset: int
    """Where its bytes begin."""
    size: int
    """Bytes."""
    fault: str | None = None
    """Why it is not read."""


def compression(beginning: bytes) -> str | None:
    """What a file is compressed with, by its first bytes."""
    return next((name for magic, name in _MAGIC.items() if beginning.startswith(magic)), None)


def members(file: BinaryIO) -> Iterator[Member]:
    """All but folders, in order. Where the tar is torn, one last member says so."""
    offset, end, extended = 0, file.seek(0, io.SEEK_END), dict[str, str]()
    while offset + BLOCK <= end:
        file.seek(offset)
        block = file.read(BLOCK)
        if block == bytes(BLOCK):
            if file.read(1 << 16).strip(b"\0"):
                yield _torn(offset, "more stands behind its end mark")
            return
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            yield _torn(offset, str(error))
            return
        size = 0 if header.type in _WITHOUT_BYTES else int(extended.get("size", header.size))
        if header.size < 0:
            yield _torn(offset, "a size below zero")
            return
        if header.type in _EXTENSIONS:
            size = header.size
            extended |= _extension(header, file.read(min(size, LONGEST + 1)))
        else:
            start = offset + BLOCK * (1 + _more_headers(file, block))
            name = extended.get("path", header.name)
            if header.type != tarfile.DIRTYPE and (size or not name.endswith("/")):
                yield Member(name, start, size, _fault(header, name, extended))
            offset, extended = start - BLOCK, {}
        offset += BLOCK * (1 + -(-size // BLOCK))
    yield _torn(offset, "no end mark")


def _torn(offset: int, why: str) -> Member:
    return Member(f"torn at {offset}", offset, 0, f"the tar is torn here: {why}")


def _extension(header: tarfile.TarInfo, said: bytes) -> dict[str, str]:
    """What it says of the next member: its path or its size, or that it is sparse; nothing of what holds for all or for a
    link's aim."""
    if header.type in (tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK):
        return {}
    if header.size > LONGEST:
        return {"fault": f"a name or other words of {header.size} bytes"}
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return {"path": said.rstrip(b"\0").decode("utf-8", "surrogateescape")}
    found = re.findall(rb"[0-9]+ (path|size|GNU\.sparse\.[a-z]+)=([^\n]*)\n", said)
    records = {name.decode(): value.decode("utf-8", "surrogateescape") for name, value in found}
    if not re.fullmatch("[0-9]{1,15}", records.get("size", "0")):
        return {"fault": "a size that is no number"}
    return records


def _more_headers(file: BinaryIO, block: bytes) -> int:
    """Blocks in which a sparse file's map goes on."""
    number, goes_on = 0, block[156:157] == tarfile.GNUTYPE_SPARSE and block[482]
    while goes_on and len(more := file.read(BLOCK)) == BLOCK:
        number, goes_on = number + 1, more[504]
    return number


def _fault(header: tarfile.TarInfo, name: str, extended: dict[str, str]) -> str | None:
    """Why a member is not read."""
    if fault := extended.get("fault"):
        return fault
    if any(key.startswith("GNU.sparse") for key in extended):
        return _NO_FILES[tarfile.GNUTYPE_SPARSE]
    if name.startswith("/") or ".." in name.split("/"):
        return "a name that leads out of the tar"
    return _NO_FILES.get(header.type)
