"""From evidence to verdicts. Imports `plan`, `hosts`, `desired`, `record`."""
