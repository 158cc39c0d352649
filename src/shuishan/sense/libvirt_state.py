"""What the virtualization daemon of a host says, as signals."""

from shuishan.model.signal import Reading, Signal, Source, Unknown
from shuishan.model.site import HostState, HostView


def libvirt_signals(view: HostView) -> list[Signal]:
    """The state of each VM on the host; Unknown when the daemon is silent or was never asked."""
    if view.state is not HostState.ANSWERING:
        reason = view.reason or (
            "the virtualization daemon gives no answer"
            if view.state is HostState.SILENT
            else "the virtualization daemon was not asked yet"
        )
        return [Unknown(host=view.name, source=Source.LIBVIRT, at_s=view.seen_at_s, reason=reason)]
    # The count is said even when it is 0: an empty host has answered, too.
    found = [("host", "libvirt.vm_count", float(len(view.vms)))]
    states = [(f"vm/{vm.name}", "libvirt.state", vm.state.value) for vm in view.vms]
    return [
        Reading(
            host=view.name,
            source=Source.LIBVIRT,
            at_s=view.seen_at_s,
            component=component,
            fact=fact,
            value=value,
        )
        for component, fact, value in (*found, *states)
    ]
