"""The command line: one module per command, each of which parses, calls the library, renders.

commands   the commands by name
declaring  how a command's arguments and options are declared
plain      command lines that are understood without typer
app        the typer application: help, completion, complaints
inspect    `tfartifacts inspect`
output     standard output: encoding, width, a reader that goes away
errors     the edge: every error becomes one line on standard error and an exit code
"""
