"""`markone list`."""

from __future__ import annotations

from markone.cli.recipes import DATA, SYSTEMS
from markone.cli.splits import AUGMENTATIONS, USUAL


def run() -> None:
    """Prints the systems with their recipes, then the data sets."""
    print("Systems (markone train SYSTEM --data NAME):")
    for name, system in SYSTEMS.items():
        print(f"  {name:<21} {system.about}")
        first, *others = system.recipes
        print(f"  {'':<21}   --data {', '.join([f'{first} (default)', *others])}")
        for data, recipe in system.recipes.items():
            if recipe.reaches:
                print(
                    f"  {'':<21}   {data}: {recipe.epochs} epochs, batch {recipe.batch_size}, "
                    f"lr {recipe.lr:g}; reaches {recipe.reaches}"
                )
    print("Data sets:")
    for name, about in DATA.items():
        print(f"  {name:<21} {about}")
    print("Augmentations (--augment NAME):")
    for name, augmentation in AUGMENTATIONS.items():
        usual = [data for data in DATA if USUAL[data] == name]
        print(f"  {name:<21} {augmentation.about}{'; usual for ' + ', '.join(usual) if usual else ''}")
