"""Celery workers: thin tasks around the catalog's services."""
