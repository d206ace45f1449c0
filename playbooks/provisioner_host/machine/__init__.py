"""Files, processes, units, sandbox of this host. Imports no other folder."""
