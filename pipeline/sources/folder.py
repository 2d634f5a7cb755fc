"""A local folder of images; a sub-folder named like a subcategory gives the class."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.tables import Listed

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class Folder:
    """Images below a folder, in the order of their paths. Licences are not known: such rows are published without bytes
    unless `licence` says what all of them are under."""

    path: Path
    licence: str | None = None
    name: str = "folder"

    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            raise UserError(f"no such image folder: {self.path}; check the path given to --source")
        files = sorted(p for p in self.path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not files:
            raise UserError(f"no images in {self.path}: files must end in {', '.join(SUFFIXES)}")
        return files

    def revision(self) -> str:
        """A hash over paths, sizes and times of change."""
        stats = [(p.relative_to(self.path).as_posix(), p.stat()) for p in self._files()]
        return hashlib.sha256(repr([(n, s.st_size, s.st_mtime_ns) for n, s in stats]).encode()).hexdigest()[:16]

    def listing(self) -> Iterator[Listed]:
        """Every image; its parent folder's name is its class."""
        for path in self._files():
            key = path.relative_to(self.path).as_posix()
            yield Listed(
                source=self.name, key=key, subcategory=path.parent.name if "/" in key else None, url=None,
                page_url=None, creator=None, licence=self.licence, attribution=None, caption=None,
            )  # fmt: skip

    def read(self, key: str) -> bytes:
        """The file's bytes; a link that leads out of the folder is refused."""
        path = (self.path / key).resolve()
        if not path.is_relative_to(self.path.resolve()):
            raise PermissionError(f"{key} leads out of {self.path}")
        return path.read_bytes()
