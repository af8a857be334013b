"""Reading product feeds: bytes in, product records and row errors out. No database."""
