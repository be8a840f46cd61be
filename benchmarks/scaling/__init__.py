"""Target 11: what a work costs at several sizes, whether that grows with more than the size.

works     which works, at which sizes, along which axis
curves    measure them
plots     a figure for each axis
"""
