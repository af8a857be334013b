"""What the services need from outside, as protocols. A port exists where two implementations do."""
