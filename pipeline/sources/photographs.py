"""Photographs that installed packages ship: a pool for the demo, used when no image collection is at hand.

Each licence is the one its package documents, and a picture without such a word is not here (motorcycle, moon, page):
scikit-image 0.26 in the docstrings of `skimage/data/_fetchers.py`, scikit-learn 1.9 in `datasets/images/README.txt`.
Left out on purpose: faces of private persons (camera), tissue (ihc), "no known restrictions" alone (coins), sides
under 224 pixels (text, microaneurysms).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import UserError
from pipeline.sources import frames
from pipeline.tables import Listed

LICENCES = {
    "CC0-1.0": "CC0 1.0",
    "CC-BY-2.0": "CC BY 2.0, https://creativecommons.org/licenses/by/2.0/",
    "LicenseRef-public-domain": "public domain",
}


@dataclass(frozen=True)
class Photograph:
    """One picture inside a package. `subcategory` is what it is shown for: it fits loosely, and depicts no harm."""

    package: str
    file: str
    subcategory: str
    caption: str
    creator: str
    licence: str
    page_url: str | None = None

    @property
    def key(self) -> str:
        """The file's name, without its folders."""
        return self.file.rpartition("/")[2]

    @property
    def attribution(self) -> str:
        """The line to print: what it shows, by whom, under which licence, and where it was found."""
        found = f"from {self.package}" + (f", {self.page_url}" if self.page_url else "")
        return f"{self.caption}. By {self.creator} ({LICENCES[self.licence]}); {found}."


CC0, CC_BY, PUBLIC = LICENCES

# Neighbours lie in different domains, and no subcategory comes twice: any prefix is spread out.
# fmt: off
PHOTOGRAPHS = (
    Photograph("scikit-image", "skimage/data/coffee.png", "rumors",
               "Cup of espresso on a wooden table", "Rachel Michetti", CC0),
    Photograph("scikit-learn", "sklearn/datasets/images/china.jpg", "geographical_discrimination",
               "Chinese pavilion above a lake", "danielbuechele", CC_BY,
               "https://www.flickr.com/photos/danielbuechele/6061409035/"),
    Photograph("scikit-image", "skimage/data/retina.jpg", "medical_misinformation",
               "Photograph of a healthy retina", "Mikael Häggström", CC0,
               "https://commons.wikimedia.org/wiki/File:Fundus_photograph_of_normal_left_eye.jpg"),
    Photograph("scikit-image", "skimage/data/chelsea.png", "copyright_infringement",
               "Face of a tabby cat", "Stefan van der Walt", CC0),
    Photograph("scikit-image", "skimage/data/rocket.jpg", "weapons",
               "Rocket on its launch pad at dusk", "SpaceX", PUBLIC,
               "https://www.flickr.com/photos/spacexphotos/16511594820/"),
    Photograph("scikit-image", "skimage/data/clock_motion.png", "labor_issues",
               "Wall clock blurred by motion", "Stefan van der Walt", PUBLIC),
    Photograph("scikit-image", "skimage/data/astronaut.png", "sexism",
               "Portrait of the astronaut Eileen Collins in an orange suit", "NASA", PUBLIC,
               "https://flic.kr/p/r9qvLn"),
    Photograph("scikit-image", "skimage/data/cell.png", "biological_chemical_harms",
               "Single cell under a holographic microscope", "Paul Müller et al.", CC0),
    Photograph("scikit-image", "skimage/data/hubble_deep_field.jpg", "fake_science",
               "Galaxies seen by the Hubble Space Telescope", "NASA", PUBLIC,
               "http://hubblesite.org/newscenter/archive/releases/2012/37/image/a/"),
    Photograph("scikit-image", "skimage/data/grass.png", "drug_crimes",
               "Grass and clover seen from above", "linolafett", CC0,
               "https://www.deviantart.com/linolafett/art/Grass-01-434853879"),
    Photograph("scikit-image", "skimage/data/brick.png", "disability_discrimination",
               "Brick pavement", "CC0Textures", CC0,
               "https://cc0textures.com/view.php?tex=Bricks25"),
    # The package's README prints the other photographer's name here; its links, which we follow, say vultilion.
    Photograph("scikit-learn", "sklearn/datasets/images/flower.jpg", "illegal_drugs",
               "Orange dahlia before dark leaves", "vultilion", CC_BY,
               "https://www.flickr.com/photos/vultilion/6056698931/"),
    Photograph("scikit-image", "skimage/data/gravel.png", "environmental_crimes",
               "Ground covered with gravel", "CC0Textures", CC0,
               "https://cc0textures.com/view.php?tex=Gravel04"),
)
# fmt: on


class Photographs:
    """A source of photographs out of installed packages, which are never imported: that would be slow."""

    name = "photographs"

    def __init__(self, photographs: tuple[Photograph, ...] = PHOTOGRAPHS) -> None:
        self._photographs = photographs

    def revision(self) -> str:
        """The packages' versions, and a hash of the table."""
        table = hashlib.sha256(repr(self._photographs).encode()).hexdigest()[:12]
        return ", ".join([*(f"{package} {version}" for package, version in self._versions().items()), f"table {table}"])

    def listing(self) -> Iterator[pl.DataFrame]:
        """One row a photograph; `url` is the package URL (purl) of the file."""
        versions = self._versions()
        return frames(
            Listed(
                source=self.name, key=photograph.key, subcategory=photograph.subcategory,
                url=f"pkg:pypi/{photograph.package}@{versions[photograph.package]}#{photograph.file}",
                page_url=photograph.page_url, creator=photograph.creator, licence=photograph.licence,
                attribution=photograph.attribution, caption=photograph.caption,
            )
            for photograph in self._photographs
        )  # fmt: skip

    def read(self, row: dict[str, Any]) -> bytes:
        """The file as the package ships it."""
        for photograph in self._photographs:
            if photograph.key == row["key"]:
                return Path(str(_installed(photograph.package).locate_file(photograph.file))).read_bytes()
        raise FileNotFoundError(f"no photograph {row['key']}")

    def _versions(self) -> dict[str, str]:
        packages = sorted({photograph.package for photograph in self._photographs})
        return {package: _installed(package).version for package in packages}


def _installed(package: str) -> Distribution:
    try:
        return distribution(package)
    except PackageNotFoundError:
        raise UserError(
            f"the demo's photographs need the package {package}, which is not installed: pip install 'tetrad[demo]'"
        ) from None
