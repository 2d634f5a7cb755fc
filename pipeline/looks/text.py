"""The words in an image, and how much of it they cover."""

import re
from dataclasses import dataclass
from itertools import pairwise

from pipeline.looks import Cells, description
from pipeline.requests import Reply, Transcribe, Transcribed
from pipeline.tables import Description

_WORD = re.compile(r"[^\W\d_]{2,}|\d{2,}")


@dataclass(frozen=True)
class Text:
    """A model that reads."""

    model: str = "rapidocr"
    surest: float = 0.6
    """Lines with a lower score are left out: photographs give plenty of them, "0" and "AAA"."""

    def ask(self, row: Cells) -> Transcribe:
        """The image."""
        return Transcribe(model=self.model, image=row["id"])

    def read(self, row: Cells, request_id: str, reply: Reply) -> Description:
        """The sure lines that hold a word, and the share of the area under their boxes."""
        if not isinstance(reply.result, Transcribed):
            return description(self, row, request_id, "text", reply, error="no_answer")
        lines = [line for line in reply.result.lines if line.score >= self.surest and _WORD.search(line.text)]
        words = "\n".join(line.text for line in lines)
        share = round(_covered([line.box for line in lines]), 4)
        return description(self, row, request_id, "text", reply, text=words or None, share=share)


def _covered(boxes: list[tuple[float, float, float, float]]) -> float:
    """The area of the boxes' union: they may overlap."""
    edges = sorted({x for left, _, right, _ in boxes for x in (left, right)})
    area = 0.0
    for left, right in pairwise(edges):
        reach = 0.0
        for top, bottom in sorted((b[1], b[3]) for b in boxes if b[0] <= left and b[2] >= right):
            area += (right - left) * max(0.0, bottom - max(top, reach))
            reach = max(reach, bottom)
    return area
