"""The catalog without a ranking: products in pages, counts, choices and photos."""
