"""The command line: parse, call what is below, print, set the exit code. No stages are put in order here."""
