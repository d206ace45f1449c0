"""A run that changes hosts: approved, journalled, resumed, rolled back, recorded."""
