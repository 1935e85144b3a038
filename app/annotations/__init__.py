"""What is done to annotations: splitting, choosing and merging them, making them cheaper, combining readers."""
