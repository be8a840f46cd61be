"""The command line: one module per command, each of which parses, calls the library, renders.

app      the typer application and its commands
inspect  `tfartifacts inspect`
output   standard output: encoding, width, a reader that goes away
errors   the edge: every error becomes one line on standard error and an exit code
"""
