"""The networks that the theorems speak of, one family per module, each in its paper's own parameterisation.

A family is plain data (a specification); its ``draw`` makes the network as it starts, a ``torch.nn.Module`` whose
trained parameters are those that require a gradient.
"""

from empirical.networks import allenzhu2019, ding2021, du2019_deep, liu2021_opt, nguyen2020, shallow
from empirical.networks.two_layer import BLOCK_ENTRIES as BLOCK_ENTRIES
from empirical.networks.two_layer import DEVICE_ENTRIES as DEVICE_ENTRIES
from empirical.networks.two_layer import Trained as Trained
from empirical.networks.two_layer import TwoLayerNetwork as TwoLayerNetwork
from empirical.networks.two_layer import initial_network as initial_network

Family = (
    shallow.TwoLayer
    | du2019_deep.FullyConnected
    | du2019_deep.ResNet
    | du2019_deep.ConvResNet
    | allenzhu2019.FullyConnected
    | allenzhu2019.ResNet
    | allenzhu2019.ConvNet
    | ding2021.ResNet
    | nguyen2020.Pyramid
    | liu2021_opt.OrthogonalNetwork
)
"""Any family; its ``draw(dimension, seed)`` takes the input dimension, or the channels where inputs have pixels."""
