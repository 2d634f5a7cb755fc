"""What a release says of its configurations: in its manifest, and in the card's metadata, from which `datasets` reads them."""

from collections.abc import Mapping
from typing import Any

from pipeline.release.configs import Config
from pipeline.release.parquet import features


def described(config: Config, splits: list[str]) -> dict[str, Any]:
    """A configuration's entry in the manifest."""
    counts = dict(config.rows["split"].value_counts().iter_rows()) if config.rows.height else {splits[0]: 0}
    order = [*splits, *sorted(set(counts) - set(splits))]
    return {
        "folder": config.folder,
        "picture": config.picture,
        "splits": {name: counts[name] for name in order if name in counts},
        "left_out": dict(config.left_out),
        "features": features(config.columns, config.picture)._to_yaml_list(),  # noqa: SLF001 -- as `datasets` prints cards
    }


def metadata(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """`configs` and `dataset_info` of the card's YAML, from the manifest's entries."""
    return {
        "configs": [
            {
                "config_name": name,
                **({"default": True} if name == "default" else {}),
                "data_files": [{"split": s, "path": f"{about['folder']}/{s}-*"} for s in about["splits"]],
            }
            for name, about in configs.items()
        ],
        "dataset_info": [{"config_name": name, "features": about["features"]} for name, about in configs.items()],
    }
