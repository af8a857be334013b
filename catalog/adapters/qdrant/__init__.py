"""The vector index: Qdrant's engine in this process, or a Qdrant server."""
