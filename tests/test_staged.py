"""Training in stages is Adam, one stage after another, and resumes after a kill as if nothing had happened."""

import numpy as np
import pytest

from rdae_ref.experiments.supplement.staged import train_in_stages
from rdae_ref.models import BetaVAE, initial_vae_parameters
from rdae_ref.optimize import MiniBatches, adam
from rdae_ref.pytree import ravel

STAGES = ((1e-2, 5), (1e-3, 7), (1e-3, 3))
X = np.random.default_rng(0).random((20, 6))


def start():
    rng = np.random.default_rng(1)
    objective = BetaVAE(X, activation="relu", likelihood="bernoulli", rng=rng)
    return objective, initial_vae_parameters(6, 2, rng, hidden=[4]), rng


def trained(stages=STAGES, **options):
    objective, x, rng = start()
    return ravel(train_in_stages(objective, x, stages, 6, rng, **options))[0], rng.random()


def test_stages_are_those_of_adam():
    objective, x, rng = start()
    for step_size, n_steps in STAGES:
        x = adam(MiniBatches(objective, 6, rng), x, step_size=step_size, n_steps=n_steps, decay=0.1).x
    np.testing.assert_array_equal(trained(decay=0.1)[0], ravel(x)[0])


@pytest.mark.parametrize("finished", [1, 2, 3])
def test_a_killed_training_resumes_with_the_same_bits(finished, tmp_path, monkeypatch):
    whole = trained()
    calls = []

    def killed(*arguments, **options):
        calls.append(1)
        if len(calls) > finished:
            raise KeyboardInterrupt
        return adam(*arguments, **options)

    monkeypatch.setattr("rdae_ref.experiments.supplement.staged.adam", killed)
    if finished < 3:
        with pytest.raises(KeyboardInterrupt):
            trained(folder=tmp_path)
    else:
        trained(folder=tmp_path)
    monkeypatch.undo()
    again = trained(folder=tmp_path)
    np.testing.assert_array_equal(again[0], whole[0])
    assert again[1] == whole[1]  # the generator, too, is where it was


def test_another_training_does_not_resume_from_it(tmp_path):
    trained(folder=tmp_path)
    other = ((1e-2, 5), (2e-3, 7), (1e-3, 3))
    np.testing.assert_array_equal(trained(other, folder=tmp_path)[0], trained(other)[0])
