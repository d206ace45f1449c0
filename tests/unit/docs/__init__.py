"""Pages held against the program."""
