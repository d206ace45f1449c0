"""General parts without camera knowledge.

Errors, texts, files, Git, HTTP, keys, vaults, other processes. They import no other package of the program.
"""
