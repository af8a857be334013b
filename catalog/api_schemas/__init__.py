"""What the API takes and answers, as JSON. The names are part of its contract."""
