"""What happens in a run: the events that every layer passes on, and what they amount to."""
