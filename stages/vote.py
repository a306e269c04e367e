"""Stage vote: poisoned/train, partition -> votes, components, voters. Appendix C's vote per row, and Algorithm 2."""

from __future__ import annotations

from pathlib import Path

from sanitize.artifacts import read_partition, write_components, write_votes
from sanitize.boosting import collect_votes
from sanitize.io.atomic import atomic_write
from sanitize.params import load_params
from sanitize.progress import step
from sanitize.resume import resumable
from sanitize.signal import refuse_without_signal
from sanitize.weights import write_weights
from stages.common import read_training, stage_app

app = stage_app("vote")


@app.command()
def main(
    params: Path = Path("params.yaml"),
    train: Path = Path("data/poisoned/train.parquet"),
    partition: Path = Path("data/partition.parquet"),
    votes: Path = Path("data/votes.parquet"),
    components: Path = Path("data/components.parquet"),
    voters: Path = Path("data/voters.safetensors"),
) -> None:
    """Train one weak learner per component and let all of them vote on every row."""
    given = load_params(params)
    with resumable("vote", given, votes, components, voters, soon=True) as map:
        table = read_training(train, given)
        found = read_partition(partition, table.ids)
        with step("voters", len(found.components())) as advance:
            counted, verdicts, ballots = collect_votes(
                table, found, given.learner, given.vote, given.seed, map=map, advance=advance
            )
        refuse_without_signal(table, found, counted, given.learner, given.vote, given.seed, map=map, origin=str(train))
        names = [f"voter_{run}_{component}" for run, component in counted.voters]
        states = {name: ballot.state for name, ballot in zip(names, ballots, strict=True)}
        with atomic_write(votes, components, voters) as (votes_draft, components_draft, voters_draft):
            write_votes(votes_draft, table.ids, counted)
            write_components(components_draft, counted.voters, verdicts)
            write_weights(voters_draft, states, given.learner)


if __name__ == "__main__":
    app()
