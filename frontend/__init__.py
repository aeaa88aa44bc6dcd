"""Front-ends: graphs before the net, from samples as a sensor gives them to the features that the net reads. numpy alone."""
