"""What never leaves the machine: identifiers are replaced before anything is written.

Two kinds of rule: what this machine is known to be called (`machine`) and what looks like an
identifier or a secret wherever it stands (`keys`, `names`, `ids`). Both look through the usual
disguises (`disguises`), and only where a text's outline has a trace of them. Values in between are
kept, so that a redacted output still parses to the same measurements.
"""

from sitegen.redact.machine import of_this_machine
from sitegen.redact.redactor import Redactor
from sitegen.redact.runs import redacted

__all__ = ["Redactor", "of_this_machine", "redacted"]
