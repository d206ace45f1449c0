"""Who reaches whom by the rules that we render. Imports `desired`."""
