"""AlexNet to ResNet: what they cost (rows D3 to D7).

A convolution with F×F kernels from C to K maps has K (F²C + 1) parameters, used once at every place of
its output; a full layer from n to m values has m (n + 1), each used once. So the parameters are in the
full layers and the work in the convolutions: AlexNet has 96 % of its parameters in the former and 92 % of
its multiply-adds in the latter. VGG makes this extreme, GoogLeNet takes the full layers away: it averages
the last 7×7×1024 values to 1024, 49 times fewer, and ResNet does the same.

    out = ⌊(W − F + 2P) / S⌋ + 1

GoogLeNet's blocks look with 1×1, 3×3 and 5×5 kernels at once. 1×1 convolutions before the larger ones
bring the number of maps down, which is where the work is saved.
"""

from __future__ import annotations

import markone as mo
from markone import models, viz
from markone.lessons.page import Page
from markone.models.googlenet import TABLE

ALEXNET_SLIP = "the slide: ~10⁷"
RATIO_SLIP = "the slide and the paper: 12"


# 1×1; before the 3×3, 3×3; before the 5×5, 5×5; after the pooling: maps, and what the slide has instead.
BLOCKS = {
    "3a": ((64, 96, 128, 16, 32, 32), ""),
    "3b": ((128, 128, 192, 32, 96, 64), "the slide: 28 and 61"),
    "4a": ((192, 96, 208, 16, 48, 64), "the slide: 48 maps before it, 96 at its end"),
    "4d": ((112, 144, 288, 32, 64, 64), "the slide: 228"),
    "5b": ((384, 192, 384, 48, 128, 128), "the slide: 124"),
}


def lesson(page: Page) -> None:
    """Counts parameters and multiply-adds, sizes layer by layer, and what a block saves."""
    alexnet = models.alexnet()
    grouped = mo.summary(alexnet, (1, 3, 227, 227))
    inception = models.googlenet(aux_logits=False)
    googlenet = mo.summary(inception, (1, 3, 224, 224))
    page.title("AlexNet")
    page.compare(
        [
            ("parameters, two groups", grouped.parameters, 60_965_224, ALEXNET_SLIP),
            ("multiply-adds, 10⁹", grouped.mult_adds / 1e9, 0.724),
        ]
    )
    layers = [
        f"features.{name}"
        for name in ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")
    ]
    image = mo.zeros(1, 3, 227, 227)
    published = _sides(alexnet, image, layers)
    slide_net = models.alexnet_slide()
    slide = _sides(slide_net, image, layers)
    page.compare(
        [
            ("sides, published paddings", published, [55, 27, 27, 13, 13, 13, 13, 6]),
            ("sides, the slide's P = 0", slide, [55, 27, 23, 11, 9, 7, 5, 2]),
            ("values into its full layer", slide_net.classifier.fc6.in_features, 1024),
        ]
    )
    page.table(
        ("layer", "output", "parameters", "multiply-adds"),
        [(row.name, row.shape, row.parameters, row.mult_adds) for row in grouped.layers if row.parameters],
    )
    rows = [row for row in grouped.layers if row.parameters]
    curves = {
        "parameters": [100 * row.parameters / grouped.parameters for row in rows],
        "multiply-adds": [100 * row.mult_adds / grouped.mult_adds for row in rows],
    }
    page.picture(
        "alexnet",
        viz.lines(curves, "layer with weights", "share, %", "AlexNet: parameters and work", points=True),
    )

    page.title("GoogLeNet")
    page.compare(
        [
            ("parameters, without heads", googlenet.parameters, 6_998_552),
            ("multiply-adds, 10⁹", googlenet.mult_adds / 1e9, 1.583),
            (
                "AlexNet's parameters / its",
                round(grouped.parameters / googlenet.parameters, 1),
                8.7,
                RATIO_SLIP,
            ),
            ("its work / AlexNet's", round(googlenet.mult_adds / grouped.mult_adds, 2), 2.18, "the slide: 2"),
        ]
    )
    page.compare(
        [(name, list(TABLE[name]), list(row), slip) for name, (row, slip) in BLOCKS.items()],
        against="published",
    )
    ends = models.activations(inception, mo.zeros(1, 3, 224, 224), ["inception5b", "avgpool"])
    last, mean = (answer.numel() for answer in ends.values())
    page.compare([("values before / after its average", last / mean, 49)])
    before = {"3a": (192, 28), "3b": (256, 28), "4a": (480, 14), "4d": (512, 14), "5b": (832, 7)}
    saved = {}
    for name, (maps, side) in before.items():
        with_them, without = (
            mo.summary(models.Inception(maps, TABLE[name], reduce=reduce), (1, maps, side, side)).mult_adds
            for reduce in (True, False)
        )
        saved[name] = (with_them, without)
    page.table(
        ("block", "maps of its input", "multiply-adds", "without 1×1 reductions", "saved"),
        [
            (name, before[name][0], ours, naive, f"{100 * (1 - ours / naive):.0f} %")
            for name, (ours, naive) in saved.items()
        ],
    )
    page.check("the reductions save half of the work and more", all(b > 2 * a for a, b in saved.values()))

    page.title("The others")
    known = {"resnet18": 11_689_512}
    if not page.short:
        known |= {"resnet34": 21_797_672, "resnet50": 25_557_032, "alexnet_ungrouped": 62_378_344}
        known |= {"zfnet": 62_357_608, "zfnet_wide": 107_627_624, "vgg16": 138_357_544}
    found = {name: models.get(name)() for name in known}
    page.compare(
        [(name, sum(p.numel() for p in net.parameters()), known[name]) for name, net in found.items()]
    )
    if "vgg16" in found:
        parts = [
            sum(p.numel() for p in part.parameters())
            for part in (found["vgg16"].features, found["vgg16"].classifier)
        ]
        ungrouped = mo.summary(found["alexnet_ungrouped"], (1, 3, 227, 227)).mult_adds
        page.compare(
            [
                ("AlexNet without groups, 10⁹ multiply-adds", ungrouped / 1e9, 1.135),
                ("VGG-16 before its full layers", parts[0], 14_714_688, "the slide: 16 M"),
                ("VGG-16 in them", parts[1], 123_642_856, "the slide: 122 M"),
            ]
        )
    page.next(
        "`markone summary vgg16 224` prints one by layers; `markone list` lists the others.",
        "`markone train resnet18 --data cifar10` trains one; `mo.models.resnet18(weights=file)` loads "
        "torchvision's weights.",
        "Where would you cut VGG-16's parameters first? `mo.models.vgg16(grid=1)` averages before the full "
        "layers.",
    )


def _sides(net: mo.nn.Module, image: mo.Tensor, layers: list[str]) -> list[int]:
    return [found.shape[-1] for found in models.activations(net, image, layers).values()]
