"""One transaction: commits only when told to, rolls back otherwise."""
