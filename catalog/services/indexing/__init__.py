"""Dirty images become points, and what the index holds is compared with the catalog."""
