"""`python -m sanitize` is the `sanitize` command. Python itself then looks into the current folder first: use -P."""

from sanitize.runtime.import_path import leave_current_folder


def main() -> None:
    """Run the command, nothing being imported from the current folder from here on; leaves with its exit code."""
    leave_current_folder()
    from sanitize.cli import main as run  # with all that it imports

    run()


if __name__ == "__main__":
    main()
