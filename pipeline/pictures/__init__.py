"""Pictures as pixels, whatever their source: bytes in, values out, no knowledge of tables, doors or stages.

- `parts`: a file taken apart, so that no decoder meets more than it needs for the pixels;
- `rebuild`: a fresh JPEG from those pixels, or the reason why there is none;
- `hashes`, `groups`: what a picture looks like, and which others look the same.
"""
