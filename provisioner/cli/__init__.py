"""The command line: parse, call the pipeline, print, set the exit code; nothing else."""
