"""Questions to PostgreSQL, one file per subject. They never commit."""
