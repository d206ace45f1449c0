"""What runs on a managed host, as root: Python's standard library only, 3.9 or later.

It arrives over standard input with one bundle, does one operation, and answers with one JSON document.
The same code lies on the host as one file for the units that must work without a controller.
"""
