"""Galleries of another model version: built, checked before searches go to them, changed to and from, and dropped."""
