"""What a column may hold: headers and aliases, choices, days, addresses, people; and what must not be shown."""
