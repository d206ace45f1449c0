"""General parts that know nothing of cameras.

Errors, texts, files, Git, HTTP, keys, vaults, other processes. Imports no other room.
"""
