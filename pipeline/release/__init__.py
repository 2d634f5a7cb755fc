"""What a release is made of: `parquet` (the rows), `card` (README.md). To add an export format, write one module with
a function from the table of quadruples to files in the release's folder, and call it in `stages/publish.py`.
"""
