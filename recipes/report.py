"""Write the page that shows a run, from what its model folder holds."""

from keras_mlm import command_line


def report(*, model: str, no_samples: bool = False) -> str:
    """Write report.html into a model folder, of a finished, running or interrupted run.

    Args:
        model: Model folder, as the training recipes write it.
        no_samples: Show no sentences, and no texts of examples.

    Returns:
        The path of the page.
    """
    from keras_mlm.report.run_report import write_report

    path = write_report(model, samples=not no_samples)
    print(f"written to {path}; open it in a browser")
    return path


if __name__ == "__main__":
    command_line.run(report)
