"""Where each facility stands between registration and closing. Pure: all derived, nothing typed, nothing gated."""
