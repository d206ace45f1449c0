"""Key changes without interruption of pictures."""
