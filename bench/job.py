"""What every side of a benchmark is given to do: so many questions of the local server, so many at once."""

import base64
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.doors.blobs import Blobs

QUESTION = "Question #{}: what does the picture show, who might have made it, for whom, and what should one know of it?"


@dataclass(frozen=True)
class Job:
    """The questions; with an image each, where there are images."""

    url: str
    requests: int
    concurrency: int
    images: str | None = None
    """Folder of blobs, with the file `names` that lists them, one a line."""

    def questions(self) -> list[str]:
        """The text of each; its number says which it is."""
        return [QUESTION.format(number) for number in range(self.requests)]

    def names(self) -> list[str]:
        """SHA-256 of each image."""
        return (Path(self.images) / "names").read_text().split()[: self.requests] if self.images else []

    def bodies(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each request's number and body, made when it is its turn."""
        blobs, names = Blobs(Path(self.images or "")), self.names()
        for number, question in enumerate(self.questions()):
            content: Any = question
            if names:
                url = "data:image/jpeg;base64," + base64.b64encode(blobs.read(names[number])).decode()
                content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": question}]
            settings = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 512, "seed": number}
            yield number, {"model": "model", "messages": [{"role": "user", "content": content}], **settings}

    def apart(self, *command: object) -> subprocess.Popen[str]:
        """Start it in a process of its own: `command`, then the job as JSON; what it prints can be read."""
        clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        words = [*map(str, command), json.dumps(asdict(self))]
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=clean)


def output(process: "subprocess.Popen[str]") -> Any:
    """The JSON on the last line of what it prints, when it has ended well."""
    said, _ = process.communicate()
    if process.returncode:
        sys.exit(f"{process.args} ended with {process.returncode}")
    return json.loads(said.splitlines()[-1])


def draw(folder: Path, count: int) -> str:
    """So many different JPEGs of noise, 101 kB each, kept as blobs: one picture, with a number behind its end."""
    from PIL import Image

    noise, file = random.Random(0), io.BytesIO()
    Image.frombytes("RGB", (330, 330), noise.randbytes(330 * 330 * 3)).save(file, "jpeg", quality=90)
    blobs = Blobs(folder)
    names = [blobs.keep(file.getvalue() + b"%08d" % number) for number in range(count)]
    (folder / "names").write_text("\n".join(names))
    return str(folder)
