"""Published experiments and promised laws, run again beside what the papers say."""

from empirical.reproductions.du2019_figure_1 import PANELS as PANELS
from empirical.reproductions.du2019_figure_1 import READ_OFF_THE_PAPER as READ_OFF_THE_PAPER
from empirical.reproductions.du2019_figure_1 import STEP_CONVENTIONS as STEP_CONVENTIONS
from empirical.reproductions.du2019_figure_1 import FigureOneSeries as FigureOneSeries
from empirical.reproductions.du2019_figure_1 import figure_one as figure_one
