"""Photos that are searched with or tagged become features."""
