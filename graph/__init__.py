"""The integer graph: what a model means, in numpy alone."""
