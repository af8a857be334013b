"""Images, feeds and model versions wherever fsspec reaches."""
