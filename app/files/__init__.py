"""Files: listing folders, reading tables and JSON, decoding pictures within limits, and writing results whole."""
