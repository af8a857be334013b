"""Training: from labelled images to a model version in a store.

``network_training.train_network`` trains a network end to end; ``head_training.train_head`` trains the layer of scores
on a frozen trunk, in minutes. The package itself imports no network library; those two modules do.
"""
