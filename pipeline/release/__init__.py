"""What a release is made of: `configs` (its configurations), `parquet` (their files), `card` (README.md), `splits`, `versions`. To add a
configuration, write one function in `configs` from the published rows to its own, and name it there; to add an export
format, see `exports`.
"""
