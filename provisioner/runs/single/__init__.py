"""What is done with one host by name: whose it is, a lost one's key on new hardware, everything of ours off it."""
