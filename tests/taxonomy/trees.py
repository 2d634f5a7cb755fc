"""A small taxonomy to change, and its file."""

from pathlib import Path
from typing import Any

import yaml

Tree = dict[str, Any]


def small() -> Tree:
    """A taxonomy of two leaves."""

    def node(name: str, **more: Any) -> Tree:
        return {"id": name, "name": name.title(), "definition": f"About {name}.", **more}

    leaves = [node("shouting", aliases=["yelling"]), node("pushing")]
    tree = [node("rude", children=[node("loud", children=leaves)])]
    head = {"id": "small", "name": "Small", "version": "1", "source": "here", "licence": "CC0-1.0"}
    return {**head, "levels": ["domain", "category", "subcategory"], "nodes": tree}


def first(tree: Tree, level: int) -> Tree:
    """Its first node of a level, from 0."""
    node: Tree = tree["nodes"][0]
    for _ in range(level):
        node = node["children"][0]
    return node


def written(folder: Path, tree: object) -> Path:
    """The file, whose fields stand in the order of the tree."""
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    return path
