"""From a refused value to a problem: the object, what is wrong, where it stands, what to do next. Pure."""
