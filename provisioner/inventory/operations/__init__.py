"""What commands do with an inventory alone, from its files to their end: check it, allocate, record a sign-off."""
