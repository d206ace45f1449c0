"""What knows nothing of cameras: errors, texts, files, Git, keys, child processes. Imports no other room."""
