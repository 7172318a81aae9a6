"""What is in deploy/, checked without a cluster, a container engine or a network."""
