"""What Drape does: ingest, index, search. Services own the transactions and know ports, not engines."""
