"""Images by address are fetched, and indexed as they come."""
