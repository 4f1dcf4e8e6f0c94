"""The networks that the theorems speak of, one family per module, each in its paper's own parameterisation.

A family is plain data (a specification); its ``draw`` makes the network as it starts, a ``torch.nn.Module`` whose
trained parameters are those that require a gradient.
"""

from empirical.networks.two_layer import BLOCK_ENTRIES as BLOCK_ENTRIES
from empirical.networks.two_layer import Trained as Trained
from empirical.networks.two_layer import TwoLayerNetwork as TwoLayerNetwork
from empirical.networks.two_layer import initial_network as initial_network
