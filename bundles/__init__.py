"""The bundles, one method each, in MONAI's format; a package so that an installation brings them."""
