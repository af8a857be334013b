"""Candidates are ranked, reordered and shown, with the reasons for each hit."""
