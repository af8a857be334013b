"""Galleries: made and fed, saved and put back; and what their points look like."""
