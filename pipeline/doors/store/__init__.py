"""What the store of kept replies (`replies.py`) is made of: rows, growing and sealed segments, and looks through them."""
