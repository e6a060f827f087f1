"""How a command line is read: its words, numbers and options, and those of the pipeline file that it names.

`command` is the click command that executes the file to learn its options; `words` is what is done before
click parses, `numbers` how numbers may be written, `completion` what a shell offers. Called by `commands`.
"""
