"""Changes of this host: one transaction each. Imports all folders."""
