"""Training as such: the loop, metrics and checkpoints. Knows no build folder and no stage."""
