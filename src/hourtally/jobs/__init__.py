"""What the command line and the flows both run."""
