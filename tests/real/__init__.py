"""Systems of others that this program works with: run as they are, each through a story of its own."""
