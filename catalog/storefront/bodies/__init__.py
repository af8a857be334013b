"""Bodies of requests, read within limits."""
