"""The commands, one a file under its own name, imported when it is asked for; `pack` has two below it."""
