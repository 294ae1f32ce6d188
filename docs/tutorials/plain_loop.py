"""LeNet-5 on the digits twice: by a plain loop, and by the Trainer. Both end with the same weights.

Run it with `python docs/tutorials/plain_loop.py [EPOCHS]`; plain_loop.md explains it.
"""

import sys

import markone as mo
from markone import train
from markone.data import DataLoader
from markone.datasets import Digits
from markone.models import lenet5
from markone.nn import functional as F
from markone.transforms import Normalize

BATCH, RATE = 64, 2e-3


def prepare():
    """The same start for both: seed, data, network, optimiser."""
    mo.manual_seed(0)
    normal = Normalize(0.3053, 0.3465)
    training = DataLoader(Digits(train=True, transform=normal, size=28), BATCH, shuffle=True)
    test = DataLoader(Digits(train=False, transform=normal, size=28), 256)
    model = lenet5()
    optimizer = mo.optim.Adam(model.parameters(), lr=RATE)
    return training, test, model, optimizer


def by_hand(epochs):
    """Every step in sight."""
    training, test, model, optimizer = prepare()
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for images, labels in training:
            scores = model(images)  # forward
            loss = F.cross_entropy(scores, labels)
            optimizer.zero_grad()
            loss.backward()  # gradients of all parameters
            optimizer.step()  # one Adam update
            total += loss.item() * len(labels)
        print(f"epoch {epoch + 1}: loss {total / len(training.dataset):.4f}")

    model.eval()
    right = 0
    with mo.no_grad():
        for images, labels in test:
            right += int((model(images).argmax(1) == labels).sum().item())
    print(f"by hand: {right} of {len(test.dataset)} test images right")
    return model, right / len(test.dataset)


def by_trainer(epochs):
    """The same with the Trainer, which could also save, resume, stop early and draw."""
    training, test, model, optimizer = prepare()
    trainer = train.Trainer(
        model, optimizer, F.cross_entropy, metrics=[train.Accuracy()], callbacks=[train.Progress()]
    )
    trainer.fit(training, epochs=epochs)
    accuracy = trainer.evaluate(test)["accuracy"]
    print(f"by the Trainer: {round(accuracy * len(test.dataset))} of {len(test.dataset)} test images right")
    return model, accuracy


def main(epochs=5):
    """Trains both ways and compares every bit of the weights."""
    ours, accuracy = by_hand(epochs)
    theirs, same_accuracy = by_trainer(epochs)
    same = all(
        a.detach().numpy().tobytes() == b.detach().numpy().tobytes()
        for a, b in zip(ours.parameters(), theirs.parameters())
    )
    print(f"the weights are {'the same, bit for bit' if same else 'different'}")
    return same and accuracy == same_accuracy


if __name__ == "__main__":
    sys.exit(0 if main(*map(int, sys.argv[1:2])) else 1)
