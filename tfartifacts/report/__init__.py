"""An artifact as a document, and the document in every format; reads the model, prints nothing.

describe    artifact -> Report: a JSON-ready document, and what could not be read
*_blocks    document -> blocks: headings, facts, tables, notes, in no format yet (blocks)
text markdown html     blocks -> lines, escaped as each format needs
csv_sections csv_text  document -> rows of one table -> lines
json_text   document -> lines for programs
formats     which of them, for any command that has documents
tables      rows -> aligned lines; tensor_rows: tensors and signatures as such rows
escape      any text -> text that is safe on a terminal
"""
