"""What a collector is and what it speaks in: all that a collector's module needs of sitegen."""

from sitegen.catalogue.units import printed_unit as printed_unit
from sitegen.collect.host import Host as Host
from sitegen.collect.host import RawOutput as RawOutput
from sitegen.collect.host import last_line as last_line
from sitegen.collect.host import timestamp as timestamp
from sitegen.collect.protocol import LEFT_OUT as LEFT_OUT
from sitegen.collect.protocol import PRESETS as PRESETS
from sitegen.collect.protocol import REPETITIONS as REPETITIONS
from sitegen.collect.protocol import Bundle as Bundle
from sitegen.collect.protocol import Collector as Collector
from sitegen.collect.protocol import Missing as Missing
from sitegen.collect.protocol import Plan as Plan
from sitegen.collect.protocol import Reader as Reader
from sitegen.collect.protocol import Reading as Reading
from sitegen.collect.protocol import Refused as Refused
from sitegen.collect.protocol import Request as Request
from sitegen.collect.protocol import Step as Step
from sitegen.collect.recorder import Recorder as Recorder
from sitegen.collect.recorder import Series as Series
from sitegen.collect.settings import Count as Count
from sitegen.collect.settings import Positive as Positive
from sitegen.collect.settings import Settings as Settings
from sitegen.collect.settings import Size as Size
from sitegen.collect.settings import described as described
from sitegen.distribution import DISTRIBUTION as DISTRIBUTION
from sitegen.distribution import install as install
