"""From the trained net to the integer graph: the only place that knows both."""
