"""Images in, arrays out: networks, loss, training, similarity, metrics. Knows no database.

TensorFlow is imported only by the modules that run a network, never by this package itself.
"""
