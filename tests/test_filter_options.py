"""What can change a verdict counts: every option and every parameter does, unless it is known not to."""

from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sanitize import filter_file, filter_key, filter_options, params
from sanitize.filter_options import Options, Rules
from sanitize.params import Params, resolve

PLAIN = resolve({})
OWN = [field.name for field in fields(Options) if field.name != "rules"]
RULES = [field.name for field in fields(Rules)]


def counted(options, given=PLAIN):
    about = SimpleNamespace(about=SimpleNamespace(model_dump_json=lambda exclude_unset: "about"))
    judge = SimpleNamespace(positions=None if options.fit_rows is None else [0])  # fitted to a sample
    return filter_file.parameters_sha256(given, options, SimpleNamespace(panel=about, judge=judge))


def other(value):
    """Another value than this default."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}?"
        case ():
            return (Path("somewhere"),)
        case None:
            return Path("somewhere")
    raise AssertionError(f"no other value than {value!r} is known")


@pytest.mark.parametrize("name", OWN + RULES)
def test_every_option_counts_unless_it_cannot_change_a_verdict(name):
    plain = Options()
    if name in RULES:
        changed = replace(plain, rules=replace(plain.rules, **{name: other(getattr(plain.rules, name))}))
    else:
        changed = replace(plain, **{name: other(getattr(plain, name))})
    assert (counted(changed) == counted(plain)) == (name in filter_options.NO_VERDICT)


def test_default_options_leave_the_parameters_own_digest():
    assert counted(Options()) == PLAIN.sha256()


def test_files_count_by_their_bytes(tmp_path):
    file = tmp_path / "probs.npy"
    file.write_bytes(b"1")
    before = counted(Options(pred_probs=file))
    file.write_bytes(b"2")
    assert counted(Options(pred_probs=file)) != before
    (tmp_path / "voters").mkdir()
    for content in (b"1", b"2"):
        (tmp_path / "voters/voters.safetensors").write_bytes(content)
        assert counted(Options(voters=tmp_path / "voters")) not in (before, counted(Options()))
        before = counted(Options(voters=tmp_path / "voters"))


def keys():
    """Every parameter as (section, key); the section is None for those at the top."""
    for name, field in Params.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        yield from [(name, key) for key in inner] if inner else [(None, name)]


@pytest.mark.filterwarnings("ignore:Pydantic serializer")
@pytest.mark.parametrize(("section", "key"), list(keys()))
def test_every_parameter_counts_unless_it_cannot_change_a_verdict(section, key):
    inner = PLAIN if section is None else getattr(PLAIN, section)
    changed = inner.model_copy(update={key: "another"})
    given = changed if section is None else PLAIN.model_copy(update={section: changed})
    without = params.NO_VERDICT.get(section or key, set())
    assert (given.sha256() == PLAIN.sha256()) == (without is True or key in without)


def test_what_cannot_change_a_verdict_is_known_by_its_name():
    assert set(OWN) >= filter_options.NO_VERDICT
    assert set(Params.model_fields) >= set(params.NO_VERDICT)
    assert set(params.DataParams.model_fields) >= params.NO_VERDICT["data"]


def test_a_run_does_not_go_on_from_another_processor_or_version(monkeypatch):
    """Each is a part of the key by its own name, which the message tells."""
    before = filter_key.key_of(PLAIN, Options(), "input", {})
    assert before == filter_key.key_of(PLAIN, Options(max_removed=0.5, resume=True), "input", {})
    monkeypatch.setattr(filter_key, "processor", lambda: "another")
    after = filter_key.key_of(PLAIN, Options(split="train"), "other", {"kept": "out"})
    differs = [name for name in before if before[name] != after[name]]
    assert differs == ["input", "parameters", "processor", "outputs"]
