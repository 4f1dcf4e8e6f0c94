"""Stored runs belong to the arithmetic that made them; a change of the numbers needs a new version of it."""

import msgspec
import numpy as np
import pytest

from empirical import experiments, run_network, table, train, training
from empirical.dynamics import GradientDescent
from empirical.losses import Loss
from empirical.networks import allenzhu2019
from empirical.reproductions.du2019_figure_1 import FigureOneSpecification
from empirical.searches import WidthSpecification
from empirical.store import Store, content_key

ANGLES = 2.4 * np.arange(6)
X, Y = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1), np.sign(np.sin(3 * ANGLES))
TWO_LAYER = [3.2537357800314033, 0.8606387311866617, 0.016216914951390833, 0.3056661029089973, 1.728030813688104]
DEEP = [2.364795461642391, 1.7461003644266768, 0.7553175994798293, 0.6535598000170308]
FAMILY = allenzhu2019.ResNet(width=12, depth=2, outputs=1)


def two_layer(**options):
    return train(X, Y, width=24, step_size=0.5, steps=40, seed=3, **options)


def deep(**options):
    method = GradientDescent(step_size=0.02, steps=40)
    return run_network(FAMILY, X, Y[:, None], loss=Loss(), method=method, seed=3, observe={"travel": [40]}, **options)


@pytest.mark.parametrize("run", [two_layer, deep])
def test_a_run_of_another_arithmetic_is_not_reused_and_stays_in_the_table(tmp_path, run):
    store = Store(tmp_path)
    made = run()
    older = msgspec.structs.replace(made, spec=msgspec.structs.replace(made.spec, arithmetic=0))
    store.put(older)
    assert run(store=store) == made
    assert set(store.keys()) == {made.key, older.key} and made.key != older.key
    assert sorted(table(store)["arithmetic"].to_list()) == [0, made.spec.arithmetic]
    assert content_key(msgspec.structs.replace(older.spec, arithmetic=made.spec.arithmetic)) == made.key


@pytest.mark.parametrize(
    ("specification", "module"),
    [
        (training.RunSpecification, training),
        (WidthSpecification, training),
        (FigureOneSpecification, training),
        (experiments.NetworkSpecification, experiments),
    ],
)
def test_every_kind_of_run_has_its_arithmetic_in_its_key(specification, module):
    (field,) = (f for f in msgspec.structs.fields(specification) if f.name == "arithmetic")
    assert field.default == module.ARITHMETIC


def test_these_versions_of_the_arithmetic_give_these_numbers():
    """Where this fails after a change of the code, raise ARITHMETIC, and write the new numbers here."""
    run = two_layer()
    last = run.observations[-1]
    found = [run.residual_norms[0], run.residual_norms[-1], last.least_eigenvalue, last.drift_from_start, last.travel]
    assert training.ARITHMETIC == 2
    assert found == pytest.approx(TWO_LAYER, rel=1e-11)
    run = deep()
    found = [run.losses[0], run.losses[-1], run.path_lengths[-1], run.measurements[-1].values["distance"]]
    assert experiments.ARITHMETIC == 4
    assert found == pytest.approx(DEEP, rel=1e-11)
