"""The catalog: feeds, products, indexing and search."""
