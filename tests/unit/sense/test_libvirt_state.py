"""Silence of the virtualization daemon is Unknown; it says nothing about the VMs."""

import pytest

from shuishan.model.signal import Reading, Source, Unknown
from shuishan.model.site import HostState, HostView, VmState, VmView
from shuishan.sense.libvirt_state import libvirt_signals


@pytest.mark.parametrize("state", [HostState.SILENT, HostState.NOT_ASKED])
@pytest.mark.parametrize("reason", ["", "connection refused"])
def test_no_answer_is_unknown_with_a_reason(state: HostState, reason: str) -> None:
    vm = VmView(name="his-db", state=VmState.RUNNING, cpu_count=1, memory_bytes=1)
    (signal,) = libvirt_signals(HostView(name="h1", state=state, seen_at_s=5.0, vms=(vm,), reason=reason))
    assert isinstance(signal, Unknown)
    assert signal.source is Source.LIBVIRT
    assert signal.reason
    assert reason in signal.reason


def test_each_vm_is_a_reading() -> None:
    vms = tuple(
        VmView(name=f"vm-{state.value.replace('_', '-')}", state=state, cpu_count=1, memory_bytes=1)
        for state in VmState
    )
    signals = libvirt_signals(HostView(name="h1", state=HostState.ANSWERING, seen_at_s=5.0, vms=vms))
    found = {signal.component: signal.value for signal in signals if isinstance(signal, Reading)}
    assert found == {"host": float(len(vms)), **{f"vm/{vm.name}": vm.state.value for vm in vms}}


def test_empty_host_has_answered() -> None:
    (signal,) = libvirt_signals(HostView(name="h1", state=HostState.ANSWERING, seen_at_s=5.0))
    assert isinstance(signal, Reading)
    assert (signal.fact, signal.value) == ("libvirt.vm_count", 0.0)
