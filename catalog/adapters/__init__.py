"""The outside world behind the ports: Qdrant's engine and server, PostgreSQL's server, the image store."""
