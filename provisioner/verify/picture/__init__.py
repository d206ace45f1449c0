"""Whether what comes is a picture of something (docs/design.md, part 7): measures of looks, rules, states. Pure."""
