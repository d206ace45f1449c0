"""A stand-in for MediaMTX 1.20.1: a test double for labs where no real one can be had.

It keeps to the real relay's file format, reload rules, RTSP and Control API for what this
project uses, and refuses at start, by name, whatever else a configuration switches on.
"""

VERSION = "v1.20.1+standin"
