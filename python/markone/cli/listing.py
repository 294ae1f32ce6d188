"""`markone list`."""

from __future__ import annotations

from markone.cli.recipes import DATA, SYSTEMS


def run() -> None:
    """Prints the systems with their recipes, then the data sets."""
    print("Systems (markone train SYSTEM --data NAME):")
    for name, system in SYSTEMS.items():
        print(f"  {name:<10} {system.about}")
        for i, (data, recipe) in enumerate(system.recipes.items()):
            first = " (default)" if i == 0 else ""
            print(
                f"  {'':<10}   --data {data}{first}: {recipe.epochs} epochs, batch {recipe.batch_size}, "
                f"lr {recipe.lr:g}; reaches {recipe.reaches}"
            )
    print("Data sets:")
    for name, about in DATA.items():
        print(f"  {name:<10} {about}")
