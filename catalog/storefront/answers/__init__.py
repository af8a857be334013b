"""What services and rows know, in the shapes of the API."""
