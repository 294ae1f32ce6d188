"""A loss or gradient that is not finite: the step and what made it are named."""

import numpy as np
import pytest

import markone as mo
from markone import train
from markone.nn import functional as F
from markone.train import NonFiniteError


class BadForward(mo.nn.Module):
    """Takes the logarithm of negative numbers from the third call on."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x if self.calls < 3 else x + mo.log(-1.0 - x * x)


class BadBackward(mo.nn.Module):
    """Finite forward, but the square root's derivative at zero times zero is NaN."""

    def forward(self, x):
        return x + mo.sqrt(x * 0.0)


def run(middle, inputs=None, **options):
    mo.manual_seed(0)
    model = mo.nn.Sequential(mo.nn.Linear(4, 8), middle, mo.nn.Linear(8, 3))
    x = mo.rand(6, 4) if inputs is None else inputs
    batches = [(x, mo.tensor([0, 1, 2, 0, 1, 2]))] * 5
    trainer = train.Trainer(model, mo.optim.SGD(model.parameters(), lr=0.1), F.cross_entropy, **options)
    with pytest.raises(NonFiniteError) as caught:
        trainer.fit(batches, epochs=2)
    return trainer, caught.value


def test_a_bad_operation_in_forward_is_named_with_its_layer():
    trainer, error = run(BadForward(), compile=False)  # its count of calls is a constant of a recording
    assert (error.step, error.epoch) == (3, 1)
    assert "training stopped at step 3 (epoch 1): the loss is nan" in str(error)
    assert "log" in error.culprit and "BadForward" in error.culprit
    # The update of the bad step was not made.
    assert all(np.isfinite(p.detach().numpy()).all() for p in trainer.model.parameters())


def test_a_bad_operation_in_backward_is_named():
    trainer, error = run(BadBackward())
    assert error.step == 1 and "gradient of '0.weight' is not finite" in str(error)
    # The square root's own derivative is infinite; times zero it would be NaN in the product below it.
    assert "sqrt: its backward gave infinity for input 0 in 1 (BadBackward)" in error.culprit
    assert all(np.isfinite(p.detach().numpy()).all() for p in trainer.model.parameters())


def test_a_bad_batch_is_named():
    x = np.ones((6, 4), np.float32)
    x[2, 1] = np.inf
    _, error = run(mo.nn.ReLU(), mo.from_numpy(x))
    assert "the batch itself holds a value that is not finite (part [0])" in str(error)


def test_a_bad_weight_is_named():
    class Spoiling(train.Callback):
        def on_step_end(self, trainer):
            if trainer.step == 2:
                with mo.no_grad():
                    trainer.model[2].bias.fill_(float("nan"))

    _, error = run(mo.nn.ReLU(), callbacks=[Spoiling()])
    assert error.step == 3
    assert "the weight '2.bias' was not finite before it: the update of step 2 made it so" in error.culprit


def test_a_layer_that_overflows_is_named():
    class Huge(mo.nn.Module):
        def forward(self, x):
            return x * 1e38 * 1e38

    _, error = run(Huge())
    assert "the loss is" in str(error) and error.step == 1
    assert error.culprit == "the first operation that made it: mul: gave infinity in Sequential.1 (Huge)"


def test_the_check_can_be_off():
    model = mo.nn.Sequential(mo.nn.Linear(4, 3), BadForward())
    trainer = train.Trainer(
        model, mo.optim.SGD(model.parameters(), lr=0.1), F.cross_entropy, check_finite=False, compile=False
    )
    batches = [(mo.rand(3, 4), mo.tensor([0, 1, 2]))] * 4
    assert np.isnan(trainer.fit(batches, epochs=1)[0]["train_loss"])
