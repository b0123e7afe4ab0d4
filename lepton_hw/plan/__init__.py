"""Build plans: files, commands and a digest as plain values, and what carries them out."""
