"""Which images of a pool to annotate next."""
