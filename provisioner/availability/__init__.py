"""Since when, how often, and what share of a time: what the looks of many nights come to. Pure.

Between looks nobody knows: a look stands for the time until the next one of the same path, and at most for an agreed
time. What no look stands for is not measured, and is never up.
"""
