"""What could this model do to me? All that its graphs, strings, layers and files are able to.

capabilities  what each op can do
rows          what is found, and how it is reached
scanning      an artifact
graphs        a graph: hits in nodes, functions, nested graphs
bodies        a graph and its functions, taken apart
reachability  from where each node runs
paths         where the name of a file comes from
judging       how much a hit matters
attributes    hits that attributes decide
payloads      graphs inside strings
xla           what compiled modules call
keras         what Keras would run
files         programs and pickles beside the model
values        graphs in a checkpoint's strings

A scanner of names is no sandbox: what has no finding here may still use up memory and time.
"""

from tfartifacts.checks.scan.capabilities import Capability as Capability
from tfartifacts.checks.scan.rows import Reach as Reach
from tfartifacts.checks.scan.rows import Row as Row
from tfartifacts.checks.scan.rows import Scan as Scan
from tfartifacts.checks.scan.scanning import scan as scan
