"""The doors: all that comes in or goes out, and is kept before anything reads it.

fetch brings images in, generate asks models, decide takes what people decided, push sends releases out.
`log` and `blobs` are how they keep: an append-only log of JSON lines, and bytes named by their hash.
To add a door is rare; to reach one more model, add a backend.
"""
