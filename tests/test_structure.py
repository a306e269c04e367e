"""How the code hangs together: which way imports go, what the stages depend on, docstrings, and what is never used."""

import ast
import re
from graphlib import CycleError, TopologicalSorter

import pytest
import yaml

from sanitize.params import NO_VERDICT, Params
from tests.closure import ROOT, as_deps, closure, imported, is_code, module_of, modules, named, reached, tree_of

LEFT_TO_RIGHT = [  # what stands together in a line does not import each other
    ("presets", "templates", "whereabouts", "jit"),
    ("errors",),
    ("io",),
    ("config",),
    ("execution_shared", "code_version", "records"),
    ("runtime",),
    ("execution_ray", "execution_threads"),
    ("params", "execution", "progress", "exit_codes"),
    ("command_options", "summary_file"),
    ("data",),
    ("scratch", "evidence"),
    ("resume", "watched"),
    ("attacks", "learners"),
    ("ispl",),
    ("compatibility", "boosting"),
    ("selftrain", "signal"),
    ("common_features",),
    ("coherence",),
    ("hunt",),
    ("filtering", "triggers"),
    ("train", "metrics", "artifacts", "weights", "preload"),
    ("certify",),
    ("stacked",),
    ("panel",),
    ("filter_options", "filter_tally", "filter_summary", "manifest_diff", "gate"),
    ("row_ids",),
    ("overrides", "filter_manifest"),
    ("filter_pass",),
    ("manifest_file",),
    ("report",),
    ("report_file",),
    ("filter_judges", "filter_memory"),
    ("filter_fit",),
    ("filter_key",),
    ("review_file",),
    ("review_server",),
    ("estimator", "filter_file", "filter_apply", "review"),
    ("certify_file",),
    ("certify_command", "diff_command", "apply_command", "gate_command", "report_command", "review_command"),
    ("cli",),
    ("__main__",),
]
PLACE = {part: place for place, parts in enumerate(LEFT_TO_RIGHT) for part in parts}
LIBRARY = [name for name in modules() if name.startswith("sanitize.")]
STAGES = [name for name in modules() if name.startswith("stages.")]
DEFENCES = (
    "ispl",
    "boosting",
    "selftrain",
    "signal",
    "common_features",
    "coherence",
    "hunt",
    "triggers",
    "filtering",
    "learners",
    "estimator",
    "panel",
    "stacked",
    "filter_options",
    "filter_tally",
    "filter_pass",
    "filter_manifest",
    "row_ids",
    "evidence",
    "filter_judges",
    "filter_memory",
    "filter_fit",
    "filter_key",
    "filter_summary",
    "summary_file",
    "filter_file",
    "overrides",
    "manifest_file",
    "filter_apply",
    "apply_command",
    "report_file",
    "review",
    "review_file",
    "review_server",
    "review_command",
    "report_command",
    "gate",
    "gate_command",
    "manifest_diff",
    "diff_command",
    "cli",
    "compatibility",
)
BLIND = [name for name in LIBRARY if name.split(".")[1] in DEFENCES]
BLIND += ["stages.partition", "stages.vote", "stages.selftrain"]
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
FROM_PRESET = {"learner", "ispl", "vote", "selftrain", "coherence", "train", "certify", "ensemble"}
NO_RESULT = {"engine", "workers", "address"}  # they change the time, never a result
LINES = 400


def body(stage):
    return PIPELINE[stage].get("do", PIPELINE[stage])


@pytest.mark.parametrize("module", LIBRARY)
def test_imports_go_left(module):
    part = module.split(".")[1]
    assert part in PLACE, f"{module}: give {part!r} its place in LEFT_TO_RIGHT"
    for name in named(module) - {"sanitize"}:
        other = name.split(".")[1] if name.startswith("sanitize.") else name
        assert other in PLACE, f"{module} imports {name}, which the library must not know"
        assert other == part or PLACE[other] < PLACE[part], f"{module} imports {name}, which does not stand left of it"


@pytest.mark.parametrize("module", STAGES)
def test_stages_import_the_library_and_what_they_share(module):
    others = {name for name in named(module) if name.startswith("stages.")}
    assert others <= ({"stages.common"} if module != "stages.common" else set())
    assert not {"sanitize.cli", "sanitize.__main__"} & reached(module)


def test_imports_make_no_cycle():
    # Families are left out: base finds its modules by name, and they import base for what they share.
    packages = {name for name, path in modules().items() if path.name == "__init__.py"}
    graph = {name: named(name) - {name, "sanitize"} - (packages if name in packages else set()) for name in modules()}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_a_cycle_would_be_seen():
    with pytest.raises(CycleError):
        list(TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())


@pytest.mark.parametrize("module", BLIND)
def test_defences_cannot_see_the_answer(module):
    seen = {name for name in reached(module) if name.startswith("sanitize.attacks") or name == "sanitize.data.truth"}
    assert not seen, f"{module} reaches {', '.join(sorted(seen))}"


@pytest.mark.parametrize("module", LIBRARY + STAGES)
def test_names_are_imported_from_where_they_live(module):
    """The names that sanitize/__init__.py loads on demand are for users: here they would hide a dependency."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom) and node.module == "sanitize":
            lazy = [a.name for a in node.names if a.name != "__version__" and f"sanitize.{a.name}" not in modules()]
            assert not lazy, f"{module} imports {', '.join(lazy)} from sanitize; name the module"


def test_families_resolve():
    assert {"sanitize.learners.torch_learner", "sanitize.learners.sklearn_learner"} <= imported(
        "sanitize.learners.base"
    )
    assert {"sanitize.learners.nets.cnn", "sanitize.learners.nets.mlp"} <= imported("sanitize.learners.torch_learner")
    assert {"sanitize.attacks.patch", "sanitize.attacks.none"} <= imported("sanitize.attacks.base")
    assert {"sanitize.data.sources.mnist5k", "sanitize.data.sources.parquet"} <= imported("sanitize.data.ingest")


def test_closure_by_hand():
    """params.py imports errors.py and what reads YAML from regular files, and reads the presets."""
    files = {str(path) for path in closure("sanitize.params")}
    presets = {str(path.relative_to(ROOT)) for path in (ROOT / "sanitize/presets").glob("*.yaml")}
    reading = {f"sanitize/{name}.py" for name in ("config/__init__", "config/yaml_file", "io/__init__", "io/regular")}
    assert files == {"sanitize/__init__.py", "sanitize/params.py", "sanitize/errors.py", *reading, *presets}


@pytest.mark.parametrize("stage", PIPELINE)
def test_deps_are_the_code_that_runs(stage):
    deps = [dep for dep in body(stage)["deps"] if is_code(dep)]
    assert deps == as_deps(closure(module_of(body(stage)["cmd"]))), (
        f"dvc.yaml: the code in {stage}'s deps is not what it imports, so that DVC would call a stale result "
        "unchanged; run: python -m tests.closure --write"
    )


def test_every_stage_of_the_pipeline_has_its_module():
    assert {module_of(body(stage)["cmd"]) for stage in PIPELINE} == set(STAGES) - {"stages.common"}


def functions_of(module):
    """The module's functions by name."""
    return {node.name: node for node in tree_of(module).body if isinstance(node, ast.FunctionDef)}


def home_of(module, name):
    """The module of this repository where the function `name` that `module` calls lives; None if it is none of ours."""
    if name in functions_of(module):
        return module
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom) and node.module in modules() and name in {a.name for a in node.names}:
            return node.module if name in functions_of(node.module) else None
    return None


def attributes_read(module, name):
    """What the function reads of a Params, as in given.X, and what the functions read to which it passes one on."""
    function = functions_of(module)[name]
    arguments = [*function.args.args, *function.args.kwonlyargs]
    holders = {a.arg for a in arguments if a.annotation and ast.unparse(a.annotation) == "Params"}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("load_params("):
            holders |= {ast.unparse(target) for target in node.targets}
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in holders:
            found.add(node.attr)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            passed = [*node.args, *(keyword.value for keyword in node.keywords)]
            home = home_of(module, node.func.id)
            if home and any(ast.unparse(argument) in holders for argument in passed):
                found |= attributes_read(home, node.func.id)
    return found


@pytest.mark.parametrize("stage", PIPELINE)
def test_params_are_the_sections_that_are_read(stage):
    read = attributes_read(module_of(body(stage)["cmd"]), "main")
    if "model_dump" in read:  # the whole, for show
        read |= set(Params.model_fields)
    if "sha256" in read:  # of what can change a verdict
        read |= {name for name in Params.model_fields if NO_VERDICT.get(name) is not True}
    read -= {"sha256", "model_dump"}
    read -= NO_RESULT
    expected = read | ({"preset"} if read & FROM_PRESET else set())
    assert set(body(stage).get("params", [])) == expected


@pytest.mark.parametrize("module", modules())
def test_what_is_public_has_a_docstring(module):
    if not modules()[module].stat().st_size:
        return
    assert ast.get_docstring(tree_of(module)), f"{module} has no docstring"
    lacking = []

    def visit(node, prefix):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef) and not child.name.startswith("_"):
                if not ast.get_docstring(child):
                    lacking.append(f"{prefix}{child.name}")
                if isinstance(child, ast.ClassDef):
                    visit(child, f"{prefix}{child.name}.")

    visit(tree_of(module), "")
    assert not lacking, f"{module}: no docstring at {', '.join(lacking)}"


@pytest.mark.parametrize("module", modules())
def test_files_have_one_subject(module):
    lines = len(modules()[module].read_text().splitlines())
    assert lines <= LINES, f"{module} has {lines} lines; split it by subject"
    assert not re.search(r"(^|_)(helpers?|utils?|misc|managers?)(_|$)", module.split(".")[-1])


@pytest.mark.parametrize("module", modules())
def test_nothing_is_pickled(module):
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            top = {alias.name.split(".")[0] for alias in node.names} if isinstance(node, ast.Import) else {node.module}
            assert not top & {"pickle", "cloudpickle", "dill", "joblib", "shelve"}
        if isinstance(node, ast.Attribute):
            assert ast.unparse(node) not in {"torch.load", "torch.save"}
        if isinstance(node, ast.keyword):
            assert node.arg != "allow_pickle" or ast.unparse(node.value) == "False"


@pytest.mark.parametrize("module", LIBRARY + STAGES)
def test_all_that_is_printed_goes_through_one_place(module):
    """Where names out of files become text that a terminal does not obey."""
    if module == "sanitize.runtime.printing":
        return
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            printing = {"print", "typer.echo", "click.echo", "sys.stderr.write", "sys.stdout.write", "print_exc"}
            assert name not in printing and not name.endswith("traceback.print_exc"), (
                f"{module}, line {node.lineno}: prints; use sanitize.runtime.printing.say"
            )


@pytest.mark.parametrize("module", modules())
def test_no_error_is_swallowed(module):
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ExceptHandler) and (node.type is None or ast.unparse(node.type) == "Exception"):
            idle = all(isinstance(line, ast.Pass | ast.Continue | ast.Break | ast.Return) for line in node.body)
            assert not idle, f"{module}, line {node.lineno}: catches everything and says nothing"


@pytest.mark.parametrize("module", modules())
def test_nothing_is_left_to_be_done(module):
    text = modules()[module].read_text()
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError", text)
