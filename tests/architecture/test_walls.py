"""The walls of the design that no linter knows."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import pytest

from tests.architecture.sources import (
    PACKAGE,
    ROOT,
    Source,
    below,
    calls,
    is_public,
    parsed,
    texts,
)

LONGEST_FILE = 300
MODULE_FILES = {
    "__init__.py",
    *("routes.py", "guards.py", "schemas.py", "service.py", "rules.py", "repository.py"),
    *("models.py", "events.py", "errors.py", "handlers.py"),
    # Where a service would be too long: scheduled upkeep, reminders; how one signs in; a
    # projection in Valkey beside the SQL; and the routes that are sockets.
    *("upkeep.py", "rebuild.py", "reminders.py", "sessions.py", "boards.py", "sockets.py"),
    # What the coach is made of, and what is known.
    *("turns.py", "builtin.py", "matching.py", "prompt.py", "safety.py", "claims.py"),
}
# What a module keeps beside its code.
DATA_FILES = re.compile(r".+\.(json|csv|txt|md|toml)(\.gz)?")

OF_THE_ENVIRONMENT = re.compile(r"os\.(environ|getenv|environb|putenv)(\..+)?|environ|getenv")
ASKS_THE_TIME = re.compile(
    r"(datetime\.)*datetime\.(now|utcnow|today)|(datetime\.)?date\.today"
    r"|time\.(time|time_ns|localtime|gmtime|strftime|ctime)"
)
SQL_TIME = re.compile(
    r"\bnow\(\)|\bcurrent_(date|time|timestamp)\b|\blocaltimestamp\b"
    r"|\b(clock|statement|transaction)_timestamp\(\)|'(now|today|tomorrow|yesterday)'",
    re.IGNORECASE,
)
PRINTS = re.compile(r"print|pprint|sys\.stdout(\.write)?")
VALKEY_WRITE = re.compile(
    r"(valkey|redis|pipe|pipeline)\.(set|hset|sadd|zadd|lpush|rpush|incr|setnx)$"
)
SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM)\b", re.DOTALL
)

SOURCES = below(PACKAGE)
MODULES = below(PACKAGE / "modules")
NAMES = sorted(path.parent.name for path in (PACKAGE / "modules").glob("*/__init__.py"))


def named(sources: Iterable[Source], file: str) -> Iterator[Source]:
    return (source for source in sources if source.name.endswith(f"/{file}"))


def mentions(pattern: re.Pattern[str], sources: Iterable[Source]) -> list[str]:
    """Where code (not comments, not strings) mentions a name that matches whole."""
    return [
        f"{source.name}:{line} {name}"
        for source in sources
        for line, name in calls(source)
        if pattern.fullmatch(name)
    ]


def says(pattern: re.Pattern[str], sources: Iterable[Source]) -> list[str]:
    """Where a string holds the pattern."""
    return [
        f"{source.name}:{line}"
        for source in sources
        for line, text in texts(source)
        if pattern.search(text)
    ]


@pytest.mark.parametrize("folder", ["src", "tests", "migrations", "bench"])
def test_no_file_is_too_long_to_be_read_at_once(folder: str) -> None:
    long = [
        f"{source.name}: {lines} lines"
        for source in below(ROOT / folder)
        if (lines := len(source.text.splitlines())) > LONGEST_FILE
    ]
    assert not long


def test_nothing_is_imported_inside_a_function() -> None:
    late = [
        f"{source.name}:{inner.lineno}"
        for source in (*SOURCES, *below(ROOT / "tests"))
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert not late


def test_only_the_settings_read_the_environment() -> None:
    readers = [source for source in SOURCES if not source.name.startswith("src/zxo/settings/")]
    assert not mentions(OF_THE_ENVIRONMENT, readers)


def test_only_the_clock_asks_for_the_time() -> None:
    others = [source for source in SOURCES if source.name != "src/zxo/kit/clock.py"]
    assert not mentions(ASKS_THE_TIME, others)


def test_the_database_is_not_asked_for_the_time_of_a_business_fact() -> None:
    assert not says(SQL_TIME, MODULES)


def test_routes_hold_no_sql() -> None:
    assert not says(SQL, named(MODULES, "routes.py"))


def test_sql_stands_in_repositories_alone() -> None:
    others = [source for source in MODULES if not source.name.endswith("/repository.py")]
    assert not says(SQL, others)


def test_nothing_is_printed() -> None:
    assert not mentions(PRINTS, SOURCES)


@pytest.mark.parametrize("module", NAMES)
def test_a_module_has_the_files_that_every_module_has(module: str) -> None:
    names = {path.name for path in (PACKAGE / "modules" / module).iterdir()} - {"__pycache__"}
    assert not {name for name in names - MODULE_FILES if not DATA_FILES.fullmatch(name)}


def test_every_file_says_what_it_is_for() -> None:
    silent = [source.name for source in SOURCES if not ast.get_docstring(source.tree)]
    assert not silent


def test_every_function_says_what_its_signature_does_not() -> None:
    """A public function of a service or of the kit; those of one line speak for themselves."""
    services = named(MODULES, "service.py"), named(MODULES, "sessions.py")
    promised = [*chain(*services), *below(PACKAGE / "kit")]
    silent = [
        f"{source.name}:{node.lineno} {node.name}"
        for source in promised
        for node in source.tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and is_public(node.name)
        and len(node.body) > 1
        and not ast.get_docstring(node)
    ]
    assert not silent


def test_every_function_is_short() -> None:
    long = [
        f"{source.name}:{node.lineno} {node.name}"
        for source in SOURCES
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno > 60
    ]
    assert not long


def test_no_file_names_this_machine() -> None:
    home = re.compile(r"/(home|root|Users|work)/\w")
    assert not says(home, SOURCES)


def without_end(source: Source) -> Iterator[str]:
    """Writes to Valkey that neither say when the key ends, nor stand beside an `expire` of it."""
    for function in ast.walk(source.tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        made = [node for node in ast.walk(function) if isinstance(node, ast.Call) and node.args]
        ending = {
            ast.unparse(call.args[0]) for call in made if ast.unparse(call.func).endswith(".expire")
        }
        for call in made:
            if not VALKEY_WRITE.search(ast.unparse(call.func)):
                continue
            says_when = {word.arg for word in call.keywords} & {"ex", "px", "exat", "pxat"}
            if not says_when and ast.unparse(call.args[0]) not in ending:
                yield f"{source.name}:{call.lineno}"


def test_every_valkey_key_ends_by_itself() -> None:
    assert not [found for source in SOURCES for found in without_end(source)]


def test_the_import_rules_know_every_module() -> None:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    inside = next(c for c in rules["contracts"] if c["name"].startswith("Inside a module"))
    assert sorted(inside["containers"]) == [f"zxo.modules.{name}" for name in NAMES]


def test_imports_go_downwards_only() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


def test_the_walls_would_be_seen_to_fall() -> None:
    """Each of the searches above finds what it looks for."""
    bad = parsed(
        "bad.py",
        "import os, time, datetime\n"
        "os.environ['A'], os.getenv('A'), time.time(), datetime.datetime.now()\n"
        "print('SELECT 1 FROM users WHERE at < now()')\n",
    )
    good = parsed("good.py", '"""now() os.environ print"""\nclock.now(), time.monotonic()\n')
    for pattern, times in ((OF_THE_ENVIRONMENT, 2), (ASKS_THE_TIME, 2), (PRINTS, 1)):
        assert len(mentions(pattern, [bad])) == times
        assert not mentions(pattern, [good])
    forever = "async def f():\n    pipe.zadd(key, {})\n"
    assert list(without_end(parsed("bad.py", forever)))
    assert not list(without_end(parsed("good.py", forever + "    pipe.expire(key, 9)\n")))
    for pattern in (SQL_TIME, SQL):
        assert says(pattern, [bad])
        assert not says(pattern, [good])
