"""The HTTP side: who asks, what is asked for, and how it is answered."""
