"""What is of the process as a whole: its files, its signals, its memory."""
