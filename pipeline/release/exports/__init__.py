"""A release in the files of trainers that read no Parquet. To add a format, write one module with a function `rows(quadruple,
picture)`, what the format has of a row; `finish(folder, files)`, what else belongs to it; the file's `ENDING`, and the `TOKENS` that it reads otherwise than as text; and name
it in `FORMATS`. A quadruple is a row of the configuration `quadruples`; `picture` its path, relative to the folder, or None.
"""
