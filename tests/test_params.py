"""params.yaml: presets, what is laid over them, and what wrong values are told."""

import numpy as np
import pytest

from sanitize.errors import BadParams
from sanitize.params import AttackParams, Params, load_params, preset_names, read_values, resolve


def refused(values):
    with pytest.raises(BadParams) as error:
        resolve(values, "p.yaml")
    return str(error.value).splitlines()


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_resolves(name):
    assert resolve({"preset": name}).preset == name


def test_the_paper_preset_is_appendix_c():
    paper = resolve({"preset": "paper"})
    assert (paper.ispl.runs, paper.ispl.components, paper.ispl.expansion, paper.ispl.momentum) == (3, 8, 0.25, 0.9)
    assert (paper.vote.epochs, paper.vote.lower_half) == (40, True)
    assert (paper.selftrain.epochs, paper.selftrain.every, paper.selftrain.momentum) == (100, 5, 0.8)
    assert (paper.learner.net, paper.learner.lr, paper.learner.batch) == ("preact_resnet18", 0.02, 128)


def test_without_a_preset_it_is_fast():
    assert resolve({}) == resolve({"preset": None}) == resolve({"preset": "strong"})


def test_values_lie_over_the_preset_and_null_is_the_presets():
    given = {"preset": "paper", "ispl": {"runs": 5, "components": None}, "vote": None, "data": {"label": "kind"}}
    chosen, paper = resolve(given), resolve({"preset": "paper"})
    assert (chosen.ispl.runs, chosen.ispl.components) == (5, 8)
    assert chosen.vote == paper.vote
    assert chosen.data.label == "kind"
    assert chosen.data.source == paper.data.source


def test_an_attack_may_be_a_word_or_a_section():
    assert resolve({"attack": "none"}).attack == AttackParams(name="none")
    section = resolve({"attack": {"name": "patch", "source": 1}}).attack
    assert (section.name, section.options) == ("patch", {"source": 1})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ispl": {"expansion": 1.4}}, "ispl.expansion is 1.4; must be a number in (0, 1]; the paper preset uses 0.25"),
        ({"seed": True}, "seed is true; must be a whole number in [0, 9223372036854775808); the default is 0"),
        (
            {"vote": {"epochs": True}},
            "vote.epochs is true; must be a whole number in [1, 1000]; the paper preset uses 40",
        ),
        (
            {"learner": {"drops": [0.5, False]}},
            "learner.drops is [0.5, false]; must be a list, each of it a number in [0, 1]; the paper preset uses "
            "[0.5, 0.75, 0.9]",
        ),
        (
            {"learner": {"drops": [0.5, 1.5]}},
            "learner.drops.1 is 1.5; must be a number in [0, 1]; the paper preset uses [0.5, 0.75, 0.9]",
        ),
        ({"ispl": {"runs": "two"}}, "ispl.runs is 'two'; must be a whole number in [1, 64]; the paper preset uses 3"),
        ({"train": {"epochs": 0}}, "train.epochs is 0; must be a whole number in [1, 1000]; the paper preset uses 100"),
        ({"learner": {"lr": np.nan}}, "learner.lr is NaN; must be a number in (0, 10]; the paper preset uses 0.02"),
        ({"learner": {"momentum": 1}}, "learner.momentum is 1; must be a number in [0, 1); the paper preset uses 0.9"),
        ({"learner": {"flip": 3}}, "learner.flip is 3; must be true or false; the paper preset uses true"),
        (
            {"learner": {"device": "gpu"}},
            "learner.device is 'gpu'; must be 'auto', 'cpu' or 'cuda'; the paper preset uses 'auto'",
        ),
        (
            {"learner": {"crop": 99}},
            "learner.crop is 99; must be 'auto' or a whole number in [0, 64]; the paper preset uses 4",
        ),
        (
            {"learner": {"drops": [0.1, "x"]}},
            "learner.drops.1 is 'x'; must be a number in [0, 1]; the paper preset uses [0.5, 0.75, 0.9]",
        ),
        ({"data": {"inputs": "a"}}, "data.inputs is 'a'; must be a list, each of it text; the default is null"),
        (
            {"data": {"overrides": {"a": 1}}},
            'data.overrides is {"a": 1}; must be text or a list, each of it text; the default is null',
        ),
        ({"data": {"inputs": ["a", 5]}}, "data.inputs.1 is 5; must be text; the default is null"),
        (
            {"data": {"image_size": 2}},
            "data.image_size is 2; must be a whole number in [4, 1024]; the default is null",
        ),
        ({"certify": {"radius": -1}}, "certify.radius is -1; must be a number in [0, inf); the default is null"),
        ({"seed": -1}, "seed is -1; must be a whole number in [0, 9223372036854775808); the default is 0"),
        ({"engine": "dask"}, "engine is 'dask'; must be 'inline', 'processes' or 'ray'; the default is 'processes'"),
        ({"preset": "quick"}, "preset is 'quick'; must be one of fast, paper, strong; the default is 'strong'"),
        ({"ispl": 3}, "ispl is 3; must be a section of keys and values"),
        (
            {"vote": {"epoch": 3}},
            "vote.epoch is no parameter; epochs, least_agreement, lower_half, lr_factor are; did you mean vote.epochs?",
        ),
        (
            {"vote": {"zzz": 3}},
            "vote.zzz is no parameter; epochs, least_agreement, lower_half, lr_factor are; mend its spelling, or "
            "remove it",
        ),
        (
            {"train": {2: 3}},
            "train.2 is no parameter; epochs, lr_factor, threads are; mend its spelling, or remove it",
        ),
    ],
)
def test_messages_have_name_value_bound_and_remedy(values, message):
    assert refused(values) == [f"p.yaml: {message}"]


def test_every_wrong_value_is_told_at_once():
    told = refused({"seed": "x", "isp": {}, "ispl": {"runs": 0, "momentum": 2}})
    assert [line.split()[1] for line in told] == ["seed", "ispl.runs", "ispl.momentum", "isp"]
    assert told[3].endswith("did you mean ispl?")


def test_every_parameter_can_say_what_it_takes():
    for name, field in Params.model_fields.items():
        for key in getattr(field.annotation, "model_fields", {}):
            told = refused({name: {key: {"wrong": "type"}}})
            assert told[0].startswith(f'p.yaml: {name}.{key} is {{"wrong": "type"}}; must be ')


def test_sha256_is_of_what_can_change_the_kept_rows():
    plain = resolve({}).sha256()
    assert len(plain) == 64
    same = {"engine": "inline", "workers": 3, "attack": "none", "train": {"epochs": 3}, "certify": {"k": 3}}
    assert resolve(same).sha256() == resolve({"preset": "strong", "data": {"train": "x"}}).sha256() == plain
    spelled_out = resolve({}).model_dump(include={"learner", "ispl", "vote", "selftrain", "seed"})
    assert resolve(spelled_out).sha256() == plain
    others = [{"seed": 1}, {"ispl": {"runs": 9}}, {"data": {"image_size": 8}}, {"learner": {"lr": 0.0123}}]
    assert len({plain, *(resolve(values).sha256() for values in others)}) == 5


def test_a_file_gives_what_stands_in_it(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text("seed: 3\nispl: {runs: 2}\n")
    assert read_values(file) == {"seed": 3, "ispl": {"runs": 2}}
    assert load_params(file) == resolve({"seed": 3, "ispl": {"runs": 2}})
    file.write_text("")
    assert load_params(file) == resolve({})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"seed: [1\n", "p.yaml: is not YAML: "),
        (b"- seed\n", "p.yaml: must hold keys and values; got list"),
        (b"\xff\xfe\x00", "p.yaml: cannot be read"),
        (None, "p.yaml: no such file; `sanitize init` writes one"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, text, message):
    file = tmp_path / "p.yaml"
    if text is not None:
        file.write_bytes(text)
    with pytest.raises(BadParams) as error:
        load_params(file)
    assert message in str(error.value)
