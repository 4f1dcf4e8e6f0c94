"""Gram matrices of infinitely wide networks: the exact matrix of the exact stored data, within proved radii."""

from bounds.gram.allen_zhu import allen_zhu_convolutional as allen_zhu_convolutional
from bounds.gram.allen_zhu import allen_zhu_fully_connected as allen_zhu_fully_connected
from bounds.gram.deep import conv_resnet as conv_resnet
from bounds.gram.deep import fully_connected as fully_connected
from bounds.gram.deep import resnet as resnet
from bounds.gram.matrix import Gram as Gram
from bounds.gram.rounding import RoundingContributions as RoundingContributions
from bounds.gram.rounding import rounding_contributions as rounding_contributions
from bounds.gram.sphere import Eigenspace as Eigenspace
from bounds.gram.sphere import sample_spectrum as sample_spectrum
from bounds.gram.sphere import sphere_eigenspaces as sphere_eigenspaces
from bounds.gram.sphere import sphere_trace_beyond as sphere_trace_beyond
from bounds.gram.two_layers import linear as linear
from bounds.gram.two_layers import two_layer as two_layer
from bounds.gram.two_layers import two_layer_between as two_layer_between
