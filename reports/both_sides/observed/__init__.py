"""What a run shows of the symbols that statements are written in, by the names that their quantities give.

A paper's file joins a symbol to one of these by ``quantity(..., measured_by="path length")``; nothing else is needed.
All are float64 estimates, at the observed steps or times; those that are chosen are exact.
The modules here enter what they know into the ``registry`` when they are imported, each of one subject.
"""

from reports.both_sides.observed import chosen as chosen
from reports.both_sides.observed import data as data
from reports.both_sides.observed import directions as directions
from reports.both_sides.observed import kernel_descent as kernel_descent
from reports.both_sides.observed import kernels as kernels
from reports.both_sides.observed import layers as layers
from reports.both_sides.observed import loss as loss
from reports.both_sides.observed import mean_field as mean_field
from reports.both_sides.observed import pyramids as pyramids
from reports.both_sides.observed import systems as systems
from reports.both_sides.observed import travel as travel
from reports.both_sides.observed.registry import FALLING as FALLING
from reports.both_sides.observed.registry import NO_RUN as NO_RUN
from reports.both_sides.observed.registry import OBSERVED as OBSERVED
from reports.both_sides.observed.registry import WAITING as WAITING
from reports.both_sides.observed.registry import Estimate as Estimate
from reports.both_sides.observed.registry import Observed as Observed
from reports.both_sides.observed.registry import Seen as Seen
