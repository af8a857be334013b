"""What may be done to features and scores after the network: whitening, query expansion, fusion. Pure NumPy."""
