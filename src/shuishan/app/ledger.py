"""What the site wants, as deeds see it: hosts from the site file, the rest from the store."""

from collections.abc import Sequence

from shuishan.act.world import absent
from shuishan.app.store import Store
from shuishan.model.site import HostSpec, SystemSpec, VmSpec


class SiteLedger:
    """Implements act.world.Ledger."""

    def __init__(self, hosts: Sequence[HostSpec], store: Store) -> None:
        self._hosts = {host.name: host for host in hosts}
        self._store = store

    @property
    def hosts(self) -> tuple[HostSpec, ...]:
        return tuple(self._hosts.values())

    def host_spec(self, name: str) -> HostSpec:
        if name not in self._hosts:
            raise absent("host", name)
        return self._hosts[name]

    def systems(self) -> tuple[SystemSpec, ...]:
        return tuple(spec for spec, _, _ in self._store.systems())

    def cordoned(self) -> frozenset[str]:
        return self._store.cordoned()

    def set_cordon(self, host: str, cordoned: bool, reason: str) -> None:
        self.host_spec(host)
        self._store.set_cordon(host, cordoned, reason)

    def vm_spec(self, vm: str) -> VmSpec:
        for system in self.systems():
            for spec in system.vms:
                if spec.name == vm:
                    return spec
        raise absent("vm", vm)

    def forget_system(self, name: str) -> None:
        self._store.forget_system(name)
