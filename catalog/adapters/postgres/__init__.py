"""PostgreSQL: a private one, or a server's address, and connections to either."""
