"""Which of several inventories on a shared centre this program is of: all that is called by it follows from here.

On a host that one inventory has for itself there is no side. A program of a side is this one with another line here
and in `bundle.py`; the controller makes it (`provisioner/render/templates.py`).
"""

SIDE = ""
