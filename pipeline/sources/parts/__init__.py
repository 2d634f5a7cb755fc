"""What sources are made of: files on this machine, foreign tables, what becomes of their cells, and a pen."""
