"""Model versions to run: in this process, or in one beside it."""
