"""What a core changes: which kernels it has and how fast they are, how weights and scales lie in its flash, what it needs of RAM."""
