"""The main job, on simulators: every branch of a host's failing, in milliseconds."""

from pathlib import Path

import pytest
from tests.story.house import MIB, SimSite, host, system

from shuishan.base.compute.sim import Fault
from shuishan.front.report.story import deeds, first_sign_s
from shuishan.model.plan import PlanState, StepState
from shuishan.model.proof import Verdict
from shuishan.model.signal import Source
from shuishan.model.site import HostSpec

HIS = system()
THREE = (host("h1"), host("h2"), host("h3", rack="r2"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def site(folder: Path, hosts: tuple[HostSpec, ...] = THREE) -> SimSite:
    made = SimSite(folder, hosts, (HIS,))
    made.run_on("h1", HIS)
    return made


def spare_runs_out(site: SimSite) -> None:
    site.reading("h1", "nvme0", "nvme.critical_warning", 1)
    site.reading("h1", "nvme0", "nvme.available_spare_percent", 8)
    site.reading("h1", "nvme0", "nvme.available_spare_threshold_percent", 10)


async def test_a_predicted_disk_failure_empties_the_host(folder: Path) -> None:
    here = site(folder)
    await here.turn()
    assert here.store.plans(5) == []
    spare_runs_out(here)
    await here.turn(4)
    assert set(here.places()) == {"his-db", "his-app"}
    assert "h1" not in here.places().values()
    (plan,) = here.store.plans(5)
    assert plan.state is PlanState.DONE
    assert plan.proof is not None
    assert plan.proof.verdict is Verdict.HELD
    assert {pause.vm for pause in plan.proof.pauses} == {"his-db", "his-app"}
    assert "h1" in here.store.cordoned()
    assert plan.plan.orders


async def test_the_same_finding_turn_after_turn_makes_one_plan_and_one_story(folder: Path) -> None:
    here = site(folder)
    spare_runs_out(here)
    await here.turn(12)
    assert len(here.store.plans(50)) == 1
    told = here.told()
    assert len(told) == len(set(told))


async def test_a_target_that_dies_mid_move_leaves_the_vm_at_home_and_the_next_turn_goes_elsewhere(
    folder: Path,
) -> None:
    here = site(folder)
    spare_runs_out(here)
    here.compute.fail_next_move("h2", Fault.DEAD)
    await here.turn()
    first = here.store.plans(5)[0]
    assert first.state is PlanState.UNWOUND
    undone = [receipt.step for receipt in first.receipts if receipt.state is StepState.UNDONE]
    (failed,) = [step for step in first.plan.steps if step.id in undone]
    assert failed.params["target"] == "h2"
    await here.turn()
    assert here.places()[failed.params["vm"]] == "h1"
    await here.turn(20)
    assert here.store.plans(5)[0].state is PlanState.DONE
    assert here.places() == {"his-db": "h3", "his-app": "h3"}


async def test_without_room_elsewhere_nothing_is_begun_and_the_plan_says_what_is_short(folder: Path) -> None:
    small = (host("h1"), host("h2", memory_bytes=128 * MIB), host("h3", memory_bytes=128 * MIB))
    here = site(folder, small)
    spare_runs_out(here)
    await here.turn(5)
    (plan,) = here.store.plans(5)
    assert plan.state is PlanState.REFUSED
    assert plan.plan.steps == ()
    assert {misfit.vm for misfit in plan.plan.misfits} == {"his-db", "his-app"}
    assert "128 MiB" in plan.plan.misfits[0].nearest_miss.en
    assert set(here.places().values()) == {"h1"}
    assert here.store.cordoned() == frozenset()


async def test_silence_alone_moves_nobody_and_is_shown_as_unknown(folder: Path) -> None:
    here = site(folder)
    for source in (Source.KERNEL_LOG, Source.SMART, Source.BMC_SENSOR):
        here.unknown("h1", source, "connection refused")
    await here.turn(5)
    assert here.store.plans(5) == []
    status = await here.house.host("h1")
    healthy = next(condition for condition in status.conditions if condition.type == "healthy")
    assert healthy.status == "unknown"
    assert any("unknown" in line for line in here.told())


async def test_a_silent_host_is_not_taken_for_dead(folder: Path) -> None:
    here = site(folder)
    await here.turn()
    here.compute.fail("h1", Fault.SILENT)
    await here.turn(5)
    assert here.store.plans(5) == []
    answering = next(c for c in (await here.house.host("h1")).conditions if c.type == "answering")
    assert answering.status == "unknown"


async def test_a_finding_is_kept_while_its_sense_is_blind(folder: Path) -> None:
    """The disk did not heal because the SSH door was shut."""
    here = site(folder)
    spare_runs_out(here)
    await here.turn(2)
    (found,) = here.loop.last.diagnosis.findings
    here.window.forget("h1", None, before_s=here.clock.now_s())
    here.unknown("h1", Source.SMART, "connection refused")
    await here.turn()
    assert [finding.id for finding in here.loop.last.diagnosis.findings] == [found.id]


async def test_a_repaired_part_is_believed_until_it_fails_again(folder: Path) -> None:
    here = site(folder)
    spare_runs_out(here)
    await here.turn(4)
    await here.house.repaired("h1", None, "tester")
    await here.house.uncordon("h1", "tester")
    await here.turn(2)
    assert here.loop.last.diagnosis.findings == ()
    assert here.store.cordoned() == frozenset()
    await here.clock.sleep(5)
    spare_runs_out(here)
    await here.turn(2)
    assert [finding.component for finding in here.loop.last.diagnosis.findings] == ["nvme0"]


async def test_a_repaired_part_that_fails_again_is_ordered_again(folder: Path) -> None:
    here = site(folder)
    spare_runs_out(here)
    await here.turn(4)
    (first,) = here.store.plans(5)
    await here.house.repaired("h1", "nvme0", "tester")
    await here.house.uncordon("h1", "tester")
    await here.turn(2)
    await here.clock.sleep(5)
    spare_runs_out(here)
    await here.turn(4)
    second, before = here.store.plans(5)
    assert before == first
    assert second.plan.because == first.plan.because
    assert second.plan.orders == first.plan.orders
    assert second.state is PlanState.DONE
    assert "h1" in here.store.cordoned()


async def test_no_room_is_explained_again_when_the_repaired_part_fails_again(folder: Path) -> None:
    small = (host("h1"), host("h2", memory_bytes=128 * MIB))
    here = site(folder, small)
    spare_runs_out(here)
    await here.turn(2)
    await here.house.repaired("h1", None, "tester")
    await here.turn(2)
    await here.clock.sleep(5)
    spare_runs_out(here)
    await here.turn(4)
    states = [status.state for status in here.store.plans(5)]
    assert states == [PlanState.REFUSED, PlanState.REFUSED]


async def test_a_system_is_brought_up_while_another_host_is_silent_since_it_cannot_be_there(
    folder: Path,
) -> None:
    """Nobody can have started a new system before it was declared."""
    here = SimSite(folder, THREE, ())
    here.compute.fail("h3", Fault.SILENT)
    await here.turn()
    await here.house.apply_system(HIS, "tester")
    await here.turn(2)
    assert set(here.places()) == {"his-db", "his-app"}


async def test_a_vm_of_no_declared_system_is_moved_too(folder: Path) -> None:
    here = SimSite(folder, THREE, ())
    here.run_on("h1", HIS)
    spare_runs_out(here)
    await here.turn(4)
    assert set(here.places()) == {"his-db", "his-app"}
    assert "h1" not in here.places().values()


async def test_a_counter_nobody_can_set_back_speaks_again_only_when_it_grows(folder: Path) -> None:
    """After a card was changed without a boot, the kernel still counts the old one's errors."""
    here = site(folder)
    here.reading("h1", "0000:04:00.0", "pcie.aer_fatal", 1)
    await here.turn(3)
    assert [finding.issue for finding in here.loop.last.diagnosis.findings] == ["pcie.uncorrectable_error"]
    await here.house.repaired("h1", None, "tester")
    await here.clock.sleep(1)
    here.reading("h1", "0000:04:00.0", "pcie.aer_fatal", 1)
    await here.turn(2)
    assert here.loop.last.diagnosis.findings == ()
    here.reading("h1", "0000:04:00.0", "pcie.aer_fatal", 2)
    await here.turn(2)
    assert [finding.issue for finding in here.loop.last.diagnosis.findings] == ["pcie.uncorrectable_error"]


async def test_a_finding_outlives_a_restart_of_the_control_plane(folder: Path) -> None:
    """Before its sense has answered once, nobody may say that the disk is well again."""
    here = site(folder)
    spare_runs_out(here)
    await here.turn(2)
    again = SimSite(folder, THREE, (HIS,))
    again.window.expect("h1", [Source.SMART], now_s=again.clock.now_s())
    await again.turn()
    assert [finding.issue for finding in again.loop.last.diagnosis.findings] == ["disk.nvme_spare_exhausted"]
    assert not any("no longer seen" in line for line in again.told())


async def test_times_in_a_report_count_from_the_first_sign_not_from_its_repetition(folder: Path) -> None:
    """The report said "8 s from first sign to first move, 0 s to the last": the sign had been renewed."""
    here = site(folder)
    spare_runs_out(here)
    await here.turn(4)
    for _ in range(3):
        await here.clock.sleep(10)
        spare_runs_out(here)
        await here.turn()
    report = await here.house.report(None)
    began_s = first_sign_s(report)
    assert began_s <= report.plans[0].plan.at_s
    assert all(deed.from_s >= 0 for deed in deeds(report))
