"""Attributes mined from what a shop writes: texts in, attribute names out. Knows no database and no network."""
