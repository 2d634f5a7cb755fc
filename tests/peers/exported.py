"""A small release, and it in the files of each trainer: `python -m tests.peers.exported FOLDER`. What the loaders of the trainers
make of them is seen by read_llama_factory.py and read_ms_swift.py, each in an environment of its own (make test-peers)."""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image

from pipeline.doors.blobs import Blobs
from pipeline.release.exporting import export
from pipeline.release.folder import Folder
from pipeline.stages import publish
from pipeline.tables import Quadruple
from tests.rows import table

COLOURS = ("red", "green", "blue", "white", "grey", "black")


def main(folder: Path) -> None:
    """Six pictures with two questions each, and one question without a picture."""
    shutil.rmtree(folder, ignore_errors=True)
    images, rows = Blobs(folder / "images"), []
    for n in range(13):
        colour = COLOURS[n % 6]
        buffer = io.BytesIO()
        Image.new("RGB", (96, 64), colour).save(buffer, "JPEG")
        rows.append(
            {
                "id": f"q{n:02}", "prompt_id": f"p{n:02}", "image": images.keep(buffer.getvalue()) if n < 12 else None,
                "licence": "CC0-1.0", "question": f"Question {n}: which colour is it? Welche Farbe? ☃",
                "chosen": f"It is {colour}.", "rejected": "Who knows?\n\nNobody.", "strength": 1.5,
            }
        )  # fmt: skip
    publish.release(
        {"quadruples": table(Quadruple, *rows)}, made=[], images=images, folder=folder / "release", name="peers"
    )
    for to in ("llama-factory", "ms-swift"):
        export(Folder(folder / "release"), to, folder / to)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
