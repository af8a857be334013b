"""How well features retrieve: protocol, rankings, measures and reports. Nothing here but ``networks`` loads Keras."""
