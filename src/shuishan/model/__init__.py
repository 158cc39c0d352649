"""The vocabulary of the house. No I/O; imports nothing of ours."""
