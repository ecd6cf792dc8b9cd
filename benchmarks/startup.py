"""`flakesync --version` against importing typer, which no typer program can do without."""

from benchmarks.measure import interleaved, python, run, show


def main() -> None:
    """Print the ratio."""
    times = interleaved(
        {
            "flakesync --version": lambda: run(python("-m", "flakesync", "--version")),
            "import typer": lambda: run(python("-c", "import typer")),
        },
        rounds=25,
    )
    ours, typer = times["flakesync --version"].best, times["import typer"].best
    show([("`flakesync --version` / `import typer`", f"{ours / typer:.2f} ({ours * 1000:.0f} ms)", "≤ 1.5")])


if __name__ == "__main__":
    main()
