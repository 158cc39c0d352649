"""The `shuishan` command: finds the language, builds the commands, turns errors into exit codes."""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from itertools import zip_longest
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from shuishan.catalog.messages import say
from shuishan.front.cli.exits import Exit
from shuishan.front.cli.out import Streams
from shuishan.front.cli.verbs import VERBS, Around, as_command
from shuishan.model.errors import ShuishanError

NOUNS = {
    "site": "front.help.site",
    "host": "front.help.host",
    "system": "front.help.system",
    "finding": "front.help.finding",
    "plan": "front.help.plan",
    "timeline": "front.help.timeline",
    "report": "front.help.report",
    "token": "front.help.token",
    "audit": "front.help.audit",
}

# name: (module:attribute, id of its help). A function becomes a command, a Typer becomes a group.
OTHERS: dict[str, tuple[str, str]] = {
    "diagnose": ("shuishan.front.cli.diagnose:diagnose", "front.help.diagnose"),
    "server": ("shuishan.front.cli.server:server", "front.help.server"),
    "lab": ("shuishan.front.cli.lab:app", "front.help.lab"),
    "story": ("shuishan.front.cli.story:app", "front.help.story"),
}


def main() -> NoReturn:
    sys.exit(run(sys.argv[1:], Around(Streams(sys.stdin, sys.stdout, sys.stderr))))


def run(argv: Sequence[str], around: Around) -> int:
    """Run one command and return its exit code; an error we raise on purpose is one line, no traceback."""
    language = language_of(argv, around.environ)
    stderr = around.streams.stderr
    try:
        code = build(language, around, word_of(argv))(list(argv), prog_name="shuishan", standalone_mode=False)
        return code if isinstance(code, int) else Exit.DONE
    except ShuishanError as error:
        stderr.write(f"shuishan: {error.message}\n")
        return error.exit_code
    except TyperException as error:
        # Empty where the help was the answer (a noun without a verb).
        if message := error.format_message():
            stderr.write(f"shuishan: {message}\n")
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        stderr.write(say("front.interrupted").in_language(language) + "\n")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has what it wanted; a second complaint at shutdown would be noise.
        sys.stderr.close()
        return Exit.DONE


def build(language: str, around: Around, word: str = "") -> typer.Typer:
    """All commands, their help in `language`. word: the one that will be run, as `word_of` finds it."""

    def told(message_id: str) -> str:
        return say(message_id).in_language(language)

    app = typer.Typer(
        name="shuishan",
        help=told("front.help"),
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(invoke_without_command=True)
    def root(
        context: typer.Context,
        show_version: Annotated[bool, typer.Option("--version", help=told("front.option.version"))] = False,
        lang: Annotated[str | None, typer.Option("--lang", help=told("front.option.lang"))] = None,
    ) -> None:
        del lang  # found before the commands were built, for their help speaks it
        if show_version:
            around.streams.stdout.write(f"shuishan {version('shuishan')}\n")
        elif context.invoked_subcommand is None:
            typer.echo(context.get_help())

    groups: dict[str, typer.Typer] = {}
    for noun, help_id in NOUNS.items():
        groups[noun] = typer.Typer(no_args_is_help=True, help=told(help_id))
        app.add_typer(groups[noun], name=noun)
    for noun in NOUNS:
        import_module(f"shuishan.front.cli.{noun}")  # registers its verbs
    for one in VERBS:
        groups[one.noun].command(one.name)(as_command(one, language, around))
    _add_others(app, language, word)
    return app


def _add_others(app: typer.Typer, language: str, word: str) -> None:
    """Commands that do not ask a server: plain Typer commands and groups, read only when they are run."""
    for name, (place, help_id) in OTHERS.items():
        told = say(help_id).in_language(language)
        if name != word:
            # Only its line in the help is needed, and some of these bring heavy engines along.
            app.command(name, help=told)(_not_run)
            continue
        module, _, attribute = place.partition(":")
        found: object = getattr(import_module(module), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name, help=told)
        elif callable(found):
            app.command(name, help=told)(found)


def _not_run() -> None:
    """Stands for a command in the help of the others."""


def word_of(argv: Sequence[str]) -> str:
    """The noun or command of a line: its first word that is neither an option nor the value of --lang."""
    words = iter(argv)
    for word in words:
        if word == "--lang":
            next(words, "")
        elif not word.startswith("-"):
            return word
    return ""


def language_of(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """en or zh: --lang, then SHUISHAN_LANG, then the locale."""
    asked = ""
    for word, following in zip_longest(argv, argv[1:], fillvalue=""):
        if word == "--lang":
            asked = following
        elif word.startswith("--lang="):
            asked = word.partition("=")[2]
    for told in (
        asked,
        *(environ.get(key, "") for key in ("SHUISHAN_LANG", "LC_ALL", "LC_MESSAGES", "LANG")),
    ):
        if told:
            return "zh" if told.lower().startswith("zh") else "en"
    return "en"


if __name__ == "__main__":
    main()
