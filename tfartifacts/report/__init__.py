"""An artifact as a document, and the document as text or JSON; reads the model, prints nothing.

describe   artifact -> Report: a JSON-ready document, and what could not be read
text       document -> lines for people
json_text  document -> lines for programs
tables     rows -> aligned lines; tensor_rows: tensors and signatures as such rows
escape     any text -> text that is safe on a terminal
"""
