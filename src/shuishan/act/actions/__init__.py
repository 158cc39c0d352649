"""All deeds by name. A new action is a file here with do, undo and what they re-check."""

from shuishan.act.actions import host, system, vm
from shuishan.act.deed import Deed

DEEDS: dict[str, Deed] = {deed.name: deed for deed in (*host.DEEDS, *vm.DEEDS, *system.DEEDS)}
