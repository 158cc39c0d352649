"""Each condition true, false and unknown; unknown never looks like healthy."""

import pytest
from tests.story.house import host, system
from tests.unit.app.words import T0, diagnosis, finding

from shuishan.app.views import host_status, placement, system_status
from shuishan.model.finding import Blind, Diagnosis, Severity
from shuishan.model.proof import ProbeSummary
from shuishan.model.signal import Source
from shuishan.model.site import HostState, HostView, SiteView, VmState, VmView
from shuishan.model.status import Condition

HIS = system()


def site(*views: HostView, cordoned: frozenset[str] = frozenset()) -> SiteView:
    return SiteView(at_s=T0, hosts=(host("h1"), host("h2")), seen=views, systems=(HIS,), cordoned=cordoned)


def view(name: str = "h1", state: HostState = HostState.ANSWERING, **vms: VmState) -> HostView:
    seen = tuple(
        VmView(name=vm.replace("_", "-"), state=one, cpu_count=1, memory_bytes=1) for vm, one in vms.items()
    )
    return HostView(name=name, state=state, seen_at_s=T0, vms=seen, reason="no route")


def blind(source: Source, name: str = "h1") -> Diagnosis:
    one = Blind(host=name, source=source, since_s=T0, reason="refused")
    return Diagnosis(at_s=T0, findings=(), blind=(one,))


def condition(type: str, where: SiteView, found: Diagnosis) -> Condition:
    status = host_status(host("h1"), where, found)
    return next(one for one in status.conditions if one.type == type)


@pytest.mark.parametrize(
    ("where", "status", "says"),
    [
        (site(view()), "true", ""),
        (site(view(state=HostState.SILENT)), "unknown", "no route"),
        (site(), "unknown", "not_asked"),
    ],
)
def test_answering(where: SiteView, status: str, says: str) -> None:
    one = condition("answering", where, diagnosis())
    assert one.status == status
    assert says in one.message.en


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (diagnosis(), "true"),
        (diagnosis(finding()), "false"),
        (diagnosis(finding(severity=Severity.WARNING)), "false"),
        (diagnosis(finding(severity=Severity.INFO)), "true"),
        (diagnosis(finding("h2")), "true"),
        (blind(Source.SMART), "unknown"),
        (blind(Source.KERNEL_LOG), "unknown"),
        (blind(Source.BMC_SENSOR), "unknown"),
        (blind(Source.EDAC), "true"),  # its errors are heard through firmware and kernel too
        (blind(Source.SMART, "h2"), "true"),
        (blind(Source.SMART).model_copy(update={"findings": (finding(),)}), "false"),
    ],
)
def test_healthy(found: Diagnosis, status: str) -> None:
    assert condition("healthy", site(view()), found).status == status


def test_the_gravest_finding_is_named() -> None:
    graver = finding(component="nvme1", probability=0.7)
    likelier = finding(component="nvme2", severity=Severity.WARNING, probability=0.99)
    assert "nvme1" in condition("healthy", site(view()), diagnosis(likelier, graver)).message.en


@pytest.mark.parametrize(("cordoned", "status"), [({"h1"}, "false"), ({"h2"}, "true")])
def test_schedulable(cordoned: set[str], status: str) -> None:
    where = site(view(), cordoned=frozenset(cordoned))
    assert condition("schedulable", where, diagnosis()).status == status


@pytest.mark.parametrize(
    ("asked", "lost", "status"), [(0, 0, "unknown"), (10, 0, "true"), (10, 1, "false"), (1, 1, "false")]
)
def test_serving(asked: int, lost: int, status: str) -> None:
    probe = ProbeSummary(
        system="his",
        from_s=T0,
        to_s=T0,
        asked=asked,
        answered=asked - lost,
        lost=lost,
        latency_p50_ms=None,
        latency_max_ms=None,
    )
    (one,) = system_status(HIS, 2, 1, site(), probe).conditions
    assert one.status == status


@pytest.mark.parametrize(
    ("views", "place", "state"),
    [
        ((), None, VmState.UNKNOWN),
        ((view(his_db=VmState.SHUT_OFF),), None, VmState.SHUT_OFF),
        ((view(his_db=VmState.SHUT_OFF), view("h2", his_db=VmState.RUNNING)), "h2", VmState.RUNNING),
        # While it moves its target knows it too, as paused, and may be asked first.
        ((view(his_db=VmState.PAUSED), view("h2", his_db=VmState.RUNNING)), "h2", VmState.RUNNING),
        ((view(his_db=VmState.PAUSED),), "h1", VmState.PAUSED),
    ],
)
def test_where_a_vm_is(views: tuple[HostView, ...], place: str | None, state: VmState) -> None:
    probe = ProbeSummary(
        system="his",
        from_s=0,
        to_s=0,
        asked=0,
        answered=0,
        lost=0,
        latency_p50_ms=None,
        latency_max_ms=None,
    )
    vm = system_status(HIS, 1, 1, site(*views), probe).vms[0]
    assert (vm.host, vm.state) == (place, state)
    assert placement(site(*views), [HIS]) == ({} if place is None else {"his-db": place})
