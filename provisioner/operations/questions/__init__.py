"""What commands ask and change nothing."""
