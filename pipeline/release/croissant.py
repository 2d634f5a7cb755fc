"""croissant.json: what the release is, for machines (Croissant 1.0, mlcommons.org/croissant), with the fields on responsible AI.

Written by hand, for the library that could do it is large; the tests read it with that library.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_TERMS = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format", "includes",
    "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex", "repeated", "replace",
    "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
_CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/", "dct": "http://purl.org/dc/terms/", "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo", "data": {"@id": "cr:data", "@type": "@json"}, "examples": {"@id": "cr:examples", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, **{term: f"cr:{term}" for term in _TERMS},
}  # fmt: skip
_KINDS = {"string": "sc:Text", "float64": "sc:Float", "int64": "sc:Integer", "bool": "sc:Boolean"}


def croissant(
    folder: Path, manifest: Mapping[str, Any], columns: Mapping[str, str], said: Mapping[str, str | list[str]], licences: list[str]
) -> str:  # fmt: skip
    """JSON-LD of the release in `folder`, whose Parquet files are there. `columns`: their meaning; `said`: the fields of RAI, by
    name; `licences`: SPDX ids of the images'. Configurations of nested columns are in the distribution alone."""
    files = list(_files(folder, manifest))
    page = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": manifest["name"],
        "description": "Preferences between responses to questions, most of them on images: image, question, chosen and rejected "
        "response. Questions and responses may be harmful: for research on safety.",
        "version": manifest["version"],
        "license": [f"https://spdx.org/licenses/{i}.html" for i in licences if not i.startswith("LicenseRef")] or "per image: see the column licence",
        "url": "README.md",
        "citeAs": f"{manifest['name']}, version {manifest['version']}, built with Tetrad.",
        "isLiveDataset": False,
        **{f"rai:{name}": text for name, text in said.items()},
        "distribution": [*files, *(_set(name, about) for name, about in manifest["configs"].items())],
        "recordSet": [
            _records(name, about, columns)
            for name, about in manifest["configs"].items()
            if all(_flat(feature) for feature in about["features"])
        ],
    }  # fmt: skip
    return json.dumps(page, indent=1, ensure_ascii=False) + "\n"


def _files(folder: Path, manifest: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Each Parquet file, once."""
    for name, about in manifest["configs"].items():
        for path in sorted((folder / about["folder"]).glob("*.parquet")):
            place = path.relative_to(folder).as_posix()
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            yield {
                "@type": "cr:FileObject", "@id": place, "name": place, "description": f"Rows of the configuration {name}.",
                "contentUrl": place, "contentSize": f"{path.stat().st_size} B", "encodingFormat": "application/x-parquet", "sha256": digest,
            }  # fmt: skip


def _flat(feature: Mapping[str, Any]) -> bool:
    kind = feature.get("dtype") or feature.get("list")
    return isinstance(kind, str) and (kind in _KINDS or (kind == "image" and "dtype" in feature))


def _set(name: str, about: Mapping[str, Any]) -> dict[str, str]:
    """All files of a configuration."""
    return {
        "@type": "cr:FileSet", "@id": f"files-of-{name}", "name": f"files-of-{name}", "description": f"All rows of the configuration {name}.",
        "encodingFormat": "application/x-parquet", "includes": f"{about['folder']}/*.parquet",
    }  # fmt: skip


def _records(name: str, about: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """A configuration's rows."""
    splits = ", ".join(f"{n} {split}" for split, n in about["splits"].items())
    return {
        "@type": "cr:RecordSet", "@id": name, "name": name, "description": f"{sum(about['splits'].values())} rows: {splits}.",
        "field": [_field(name, feature, columns) for feature in about["features"]],
    }  # fmt: skip


def _field(config: str, feature: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    name, kind = feature["name"], feature.get("dtype") or feature.get("list")
    source: dict[str, Any] = {"fileSet": {"@id": f"files-of-{config}"}, "extract": {"column": name}}
    if kind == "image":
        source["transform"] = {"jsonPath": "bytes"}
    found = {
        "@type": "cr:Field", "@id": f"{config}/{name}", "name": name, "description": columns.get(name, ""),
        "dataType": "sc:ImageObject" if kind == "image" else _KINDS[str(kind)], "source": source,
    }  # fmt: skip
    return found | ({"repeated": True} if "list" in feature else {})
