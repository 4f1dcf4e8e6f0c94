"""A grid file means the product of its lists, or is refused in one line."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reports.commands
from empirical.grids import MOST_RUNS, read_grid

VALID = "width = 8\nsteps = 2\nstep_size = 0.5\n"


@pytest.fixture
def grid(tmp_path):
    def read(text):
        path = tmp_path / "grid.toml"
        path.write_text(text)
        return read_grid(path)

    return read


def test_the_product_of_the_lists_is_the_sweep(grid):
    cells = grid('width = [8, 16]\nsteps = 3\nlabels = ["true", "random"]\nstep_size = [0.1, 0.2]\nseed = [3, 1]')
    chosen = [(c.point.family.width, c.point.data.labels, c.point.method.step_size) for c in cells]
    assert chosen == list(itertools.product([8, 16], ["true", "random"], [0.1, 0.2]))
    assert all(cell.seeds == (3, 1) and cell.point.method.steps == 3 for cell in cells)
    assert cells[0].keys == {"width": 8, "steps": 3, "labels": "true", "step_size": 0.1}


@given(first=st.integers(0, 50), length=st.integers(1, 50), more=st.lists(st.integers(0, 120), unique=True, max_size=5))
def test_ranges_hold_both_ends_and_a_value_given_twice_counts_once(tmp_path_factory, first, length, more):
    path = tmp_path_factory.mktemp("grid") / "grid.toml"
    last = first + length - 1
    path.write_text(VALID + f'seed = ["{first}..{last}", {", ".join(map(str, more))}]\n')
    (cell,) = read_grid(path)
    assert sorted(cell.seeds) == sorted({*range(first, last + 1), *more})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("width = 8\nstep_size = 0.5", ["key steps is missing"]),
        ("width = 8\nsteps = 2", ["either step_size or relative_step"]),
        (VALID + "relative_step = 0.5", ["either step_size or relative_step"]),
        (VALID + "widht = 9", ["unknown key 'widht'", "did you mean width"]),
        (VALID + "xyzzy = 9", ["unknown key 'xyzzy'", "the keys are data, n"]),
        (VALID + "seed = []", ["seed is an empty list"]),
        (VALID + "seed = -1", ["seed = -1", "expected"]),
        (VALID + "seed = 0.5", ["seed = 0.5", "expected int"]),
        (VALID + 'seed = "9..3"', ["9..3", "upwards"]),
        (VALID + 'seed = "0..99999999999"', ["at most", str(MOST_RUNS)]),
        (VALID + 'seed = "many"', ["seed = 'many'"]),
        (VALID + "limit = 1", ["limit = 1", "expected bool"]),
        (VALID + 'labels = "false"', ["labels = 'false'"]),
        (VALID + 'seed = "0..9999"\ndata_seed = "0..9999"', ["100000000 runs", str(MOST_RUNS)]),
        ("width = [0]\nsteps = 2\nstep_size = 0.5", ["width = 0"]),
        ("width = 8\nsteps = 2\nstep_size = nan", ["step_size = nan"]),
        ("width = 8\nsteps = 2\nstep_size = inf", ["step_size = inf"]),
        ("width = 8\nsteps = 2\nstep_size = -1.0", ["step_size = -1.0"]),
        ("width = {a = 1}\nsteps = 2\nstep_size = 0.5", ["width = {'a': 1}"]),
        ("width = 8\nwidth = 9\n", ["line 2"]),
        ("width =\n", ["line 1"]),
        (VALID + 'family = "resnet"', ["family = 'resnet'", "choose from two-layer, du2019-deep-fc"]),
        (VALID + 'family = "du2019-deep-fc"', ["key depth is missing", "du2019-deep-fc needs it"]),
        (VALID + "depth = 3", ["two-layer has no key depth", "it has width"]),
        (VALID + 'family = ["du2019-deep-fc", "two-layer"]\ndepth = 3', ["two-layer has no key depth"]),
        (VALID + 'method = "gradient-flow"\nhorizon = 1.0', ["gradient-flow has no key steps"]),
        ("width = 8\nmethod = 'gradient-flow'\nhorizon = 1.0\nrelative_step = 1.0", ["leave out relative_step"]),
        (VALID + 'method = "stochastic-descent"', ["key batch is missing"]),
        (VALID + 'method = "stochastic-descent"\nbatch = 4\nsampling = "some"', ["sampling = 'some'"]),
        (VALID + "momentum = 1.0", ["momentum = 1.0", "expected float < 1"]),
        (VALID + 'observe = "travel, colour"', ["unknown 'colour'", "choose from residuals"]),
        (VALID + 'loss = "hinge"', ["loss = 'hinge'"]),
        (VALID + 'loss = "logistic"\nlimit = true', ["limit = true", "leave it out"]),
        ("width = 8\nsteps = 2\nrelative_step = 0.5\nloss = 'logistic'", ["relative_step", "give step_size"]),
        ('family = "nguyen2020-pyramid"\nwidths = [8, 4]\nsteps = 2\nstep_size = 1.0', ["widths = 8", '"64,32,1"']),
        ('family = "nguyen2020-pyramid"\nwidths = "8,0"\nsteps = 2\nstep_size = 1.0', ["widths = '8,0'"]),
        (
            'family = ["nguyen2020-pyramid", "two-layer"]\nwidths = "9,1"\nsteps = 2\nstep_size = 1.0',
            ["two-layer has no key widths"],
        ),
    ],
)
def test_what_is_no_grid_is_refused_in_one_line(grid, text, words):
    with pytest.raises(ValueError) as caught:
        grid(text)
    message = str(caught.value)
    assert "grid.toml: " in message and "\n" not in message
    for word in words:
        assert word in message


def test_the_example_that_ships_is_a_grid():
    cells = read_grid(Path(reports.commands.__file__).with_name("grid.toml"))
    assert len(cells) == 12 and sum(len(cell.seeds) for cell in cells) == 1200
