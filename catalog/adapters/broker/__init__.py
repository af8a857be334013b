"""Redis and Celery: announcements to workers, photos for them, and counted requests."""
