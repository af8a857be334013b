"""Feeds become products and images: taken, checked, scheduled, handed over, told of and undone."""
