"""The shell of boards without a processor: frames over a UART in front of the same registers."""
