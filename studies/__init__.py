"""Studies: comparisons too long for every run of the pipeline. They call its stages, and nothing imports them."""
