"""What goes on while a run changes hosts: alerts about what it cuts are silenced, and its paths are in maintenance."""
