"""Arrays in, arrays out: nothing here knows of the pipeline."""
