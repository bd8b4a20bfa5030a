"""The commands' words and options, by group. Only click here: what a command calls loads on use."""
