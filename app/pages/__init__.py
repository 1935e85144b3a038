"""Pages: self-contained HTML, and numbers as pages and tables show them."""
