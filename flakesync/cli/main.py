"""The entry point: the one place that turns an error into text and an exit status."""

import _signal  # type: ignore[import-not-found]  # what `signal` imports takes longer than all that came before
import os
import sys


def _on_ctrl_c(handler: object) -> object:
    """Set the handler of ctrl-C, where one may be set and it is not ignored, and return the one before."""
    before: object = _signal.getsignal(_signal.SIGINT)
    if before != _signal.SIG_IGN:
        try:  # noqa: SIM105 - contextlib is not imported yet
            _signal.signal(_signal.SIGINT, handler)
        except (TypeError, ValueError):  # another thread than the main one imports this, or it is not of Python
            pass
    return before


def _end_quietly(number: int, _: object) -> None:
    """End the program at once, without a word of Python's: nothing has begun yet."""
    os._exit(128 + number)


_before = _on_ctrl_c(_end_quietly)  # while the rest is imported

_not_imported: BaseException | None = None
try:
    import gc
    import signal
    from collections.abc import Sequence
    from contextlib import suppress
    from typing import TYPE_CHECKING, NoReturn

    from flakesync.errors import (
        BUGS,
        EXIT_BUG,
        EXIT_CANNOT_RUN,
        EXIT_FINDINGS,
        EXIT_INTERRUPTED,
        EXIT_OK,
        EXIT_WAITING,
        BugError,
        FlakesyncError,
        plain,
        unforeseen,
    )
    from flakesync.secrets import hide_secrets, secrets_of, without_secrets
    from flakesync.system import cause_of

    if TYPE_CHECKING:
        from flakesync.cli.options import Session

    EXIT_BROKEN_PIPE = 128 + signal.SIGPIPE
except (ImportError, MemoryError, OSError) as _error:  # `main` tells of it: who imports this is not always the program
    _not_imported = _error


def main() -> "NoReturn":
    """Run the command that the program's arguments name, and exit with its status."""
    _on_ctrl_c(_end_quietly)
    try:
        if _not_imported is not None:
            raise _not_imported
        _run_to_the_end(sys.argv[1:])
    except (ImportError, MemoryError, OSError) as error:  # there was not even enough to tell of an error
        _end_without_means(error)


def _run_to_the_end(arguments: "Sequence[str]") -> "NoReturn":
    if arguments in (["--version"], ["-V"]) and _say_version():
        raise SystemExit(EXIT_OK)
    from flakesync.cli import screen, signals
    from flakesync.processes.folders import clear_left_behind

    try:
        screen.prepare()  # before anything is opened
        signals.watch()
        clear_left_behind()
        status = run(arguments)
        with suppress(OSError, AttributeError):  # closed, or none
            sys.stderr.flush()
        signals.leave(status)
    except BaseException:  # a signal, just before or just after
        if not signals.have_come():
            raise
        signals.leave(EXIT_INTERRUPTED)


def _end_without_means(error: BaseException) -> "NoReturn":
    """Tell why the program cannot run, with nothing but what is there, and end it; raise what has another cause."""
    said = f"{error}".lower()
    if isinstance(error, MemoryError) or "cannot allocate memory" in said or "failed to map segment" in said:
        told = "error[no-memory]: out of memory\nhint: give it more memory (`ulimit -v`)\n"
    elif "too many open files" in said:
        told = "error[too-many-files]: too many open files\nhint: raise the limit on open files (`ulimit -n 1024`)\n"
    else:
        raise error
    try:  # noqa: SIM105 - contextlib need not be there
        os.write(2, told.encode())
    except OSError:
        pass
    os._exit(2)


def _say_version() -> bool:
    """Say the version at once: a script that asks should not wait for anything. False: stdout does not take it."""
    from flakesync import __version__

    try:
        print(f"flakesync {__version__}", flush=True)
    except (OSError, ValueError):  # who is asked once more, the long way, explains it
        return False
    return True


def run(arguments: "Sequence[str]") -> int:
    """Run one command and return the exit status; every error has been told on stderr by then."""
    from flakesync.cli import screen
    from flakesync.cli.options import Session

    # Thousands of locks are read and kept to the end; looking for cycles in them again and again finds none.
    gc.set_threshold(200_000, 20, 20)
    screen.prepare()
    session = Session()
    BUGS.clear()
    try:
        status = _dispatch(arguments, session)
        screen.flush()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it becomes an exit status here
        status = _status_of(error, session)
        try:
            screen.flush()
        except OSError:
            # Or the interpreter would complain of it once more on its way out.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return _tell_bugs(status, session)


def _tell_bugs(status: int, session: "Session") -> int:
    """Return the exit status of a run that repos may have failed in for what nobody foresaw; their errors are told."""
    if not BUGS or status not in (EXIT_OK, EXIT_FINDINGS, EXIT_CANNOT_RUN, EXIT_WAITING):
        return status
    if _is_debugging(session):
        _say(_version())
        for text in dict.fromkeys(map(_traceback, [bug.exception for bug in BUGS])):  # of many repos it is often one
            _say(text)
    return EXIT_BUG


def _dispatch(arguments: "Sequence[str]", session: "Session") -> int:
    from flakesync.cli.app import PROGRAM, build

    if "_FLAKESYNC_COMPLETE" in os.environ:
        build(completion=True).main(prog_name=PROGRAM)
        return EXIT_OK
    # The options for shell completion look for the shell in use, which takes time.
    first = arguments[:1]
    completion = not first or first[0] in ("--help", "-h", "--install-completion", "--show-completion")
    group = build(completion=completion)
    with group.make_context(PROGRAM, list(arguments) or ["--help"], obj=session) as context:
        result = group.invoke(context)
    return result if isinstance(result, int) else EXIT_OK


def _status_of(error: BaseException, session: "Session") -> int:
    """Tell of an error on stderr and return the exit status that it means."""
    from flakesync.cli import screen, signals

    if isinstance(error, KeyboardInterrupt):  # before anything more is imported: it may have come in the midst of that
        screen.interrupted()
        return EXIT_INTERRUPTED
    if signals.have_come():  # in disguise: Python 3.11 makes a RuntimeError of it where a class is being made
        return signals.tell()
    import typer

    usage_error: type[Exception] = typer.BadParameter.__mro__[2]  # ClickException, wherever Typer keeps it
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else EXIT_OK
        case typer.Abort():
            screen.interrupted()
            return EXIT_INTERRUPTED
        case typer.Exit():
            return error.exit_code
        case BugError():
            return _bug(error.exception, session)
        case FlakesyncError():
            _show(error.code, error.message, error.hint)
            _traceback_if_asked(error, session)
            return EXIT_CANNOT_RUN
        case BrokenPipeError():
            return EXIT_BROKEN_PIPE
        case _ if (cause := cause_of(error)) is not None:
            _show(cause.code, plain(cause.message), cause.hint)
            _traceback_if_asked(error, session)
            return EXIT_CANNOT_RUN
        case _ if isinstance(error, usage_error):
            _show_usage(error)
            return EXIT_CANNOT_RUN
        case _:
            return _bug(error, session)


def _show_usage(error: Exception) -> None:
    """Show what is wrong with the arguments, in the same form as any other error."""
    shown = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "flakesync"
    _show("usage", plain(shown[:1].lower() + shown[1:]).rstrip("."), f"`{path} --help` shows what can be given")


def _bug(error: BaseException, session: "Session") -> int:
    hint = f"please report it, with what FLAKESYNC_DEBUG=1 prints, and: {_version()}"
    _show("bug", unforeseen(error), hint)
    _traceback_if_asked(error, session)
    return EXIT_BUG


def _version() -> str:
    from platform import platform, python_version

    from flakesync import __version__

    return f"flakesync {__version__}, Python {python_version()}, {platform()}"


def _traceback_if_asked(error: BaseException, session: "Session") -> None:
    if _is_debugging(session):
        _say(_traceback(error))


def _is_debugging(session: "Session") -> bool:
    return session.common.verbose or bool(os.environ.get("FLAKESYNC_DEBUG"))


def _traceback(error: BaseException) -> str:
    from traceback import format_exception

    return without_secrets(plain("".join(format_exception(error))).rstrip(), secrets_of(os.environ))


def _show(code: str, message: str, hint: str | None) -> None:
    from flakesync.cli import screen
    from flakesync.report.text import Span, line

    lines = [line(Span(f"error[{code}]:", "bad"), " ", hide_secrets(message))]
    if hint is not None:
        lines.append(line(Span("hint:", "name"), " ", hint))
    screen.tell(*lines)


def _say(text: str) -> None:
    from flakesync.cli import screen
    from flakesync.report.text import line

    screen.tell(line(text))


_on_ctrl_c(_before)  # who imports this module and does not call `main` may have other wishes
