"""Steps in plain words, each with its premises and its undo. One function per action."""

from collections.abc import Sequence

from shuishan.catalog.messages import say
from shuishan.model.plan import Premise, Step
from shuishan.model.word import Text


def numbered(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The same steps with ids "1", "2", …"""
    return tuple(step.model_copy(update={"id": str(number)}) for number, step in enumerate(steps, start=1))


def cordon(host: str) -> Step:
    return _step(
        "host.cordon",
        {"host": host},
        (_answers(host),),
        say("decide.step.cordon", host=host),
        say("decide.step.cordon.undo", host=host),
    )


def move(vm: str, source: str, target: str, *, wave: int | None = None) -> Step:
    """wave: steps with one number may run together; None when each runs alone.

    The first premise names the target too: after a crash the step may find its work done already.
    """
    params = {"vm": vm, "source": source, "target": target}
    if wave is not None:
        params["wave"] = str(wave)
    return _step(
        "vm.move",
        params,
        (
            Premise(fact="vm_on_host", params={"vm": vm, "host": source, "target": target}),
            _answers(target),
            Premise(fact="host_not_cordoned", params={"host": target}),
            Premise(fact="host_fits_vm", params={"host": target, "vm": vm, "source": source}),
        ),
        say("decide.step.move", vm=vm, source=source, target=target),
        say("decide.step.move.undo", vm=vm, source=source),
    )


def create(vm: str, host: str, system: str) -> Step:
    return _step(
        "vm.create",
        {"vm": vm, "host": host, "system": system},
        (_answers(host), Premise(fact="host_not_cordoned", params={"host": host})),
        say("decide.step.create", vm=vm, host=host),
        say("decide.step.create.undo", vm=vm, host=host),
    )


def start(vm: str, host: str) -> Step:
    return _step(
        "vm.start",
        {"vm": vm, "host": host},
        (_answers(host), Premise(fact="host_fits_vm", params={"host": host, "vm": vm})),
        say("decide.step.start", vm=vm, host=host),
        say("decide.step.start.undo", vm=vm),
    )


def ready(vm: str, host: str) -> Step:
    return _step(
        "vm.ready",
        {"vm": vm, "host": host},
        (),
        say("decide.step.ready", vm=vm),
        say("decide.step.ready.undo"),
    )


def stop(vm: str, host: str) -> Step:
    return _step(
        "vm.stop",
        {"vm": vm, "host": host},
        (_answers(host),),
        say("decide.step.stop", vm=vm, host=host),
        say("decide.step.stop.undo", vm=vm, host=host),
    )


def remove(vm: str, host: str) -> Step:
    return _step(
        "vm.remove",
        {"vm": vm, "host": host},
        (_answers(host),),
        say("decide.step.remove", vm=vm, host=host),
        None,
    )


def forget(system: str) -> Step:
    return _step("system.forget", {"system": system}, (), say("decide.step.forget", system=system), None)


def _step(
    action: str, params: dict[str, str], premises: tuple[Premise, ...], text: Text, undo_text: Text | None
) -> Step:
    return Step(id="", action=action, params=params, premises=premises, text=text, undo_text=undo_text)


def _answers(host: str) -> Premise:
    return Premise(fact="host_answers", params={"host": host})
