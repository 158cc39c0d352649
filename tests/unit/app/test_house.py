"""The house as its doors see it: what it refuses, what it writes down."""

from pathlib import Path

import pytest
from tests.story.house import SimSite, host, system

from shuishan.app.access import first_break
from shuishan.model.errors import BadInput, Conflict, NotAllowed, NotFound
from shuishan.model.plan import Consent, PlanState
from shuishan.model.site import CareTier, SystemSpec

HIS = system()
LIFE = system("icu", ("icu-db",)).model_copy(update={"care_tier": CareTier.LIFE_CRITICAL})
HOSTS = (host("h1"), host("h2"), host("h3"))


def site(folder: Path, spec: SystemSpec | None = HIS) -> SimSite:
    made = SimSite(folder, HOSTS, () if spec is None else (spec,))
    if spec is not None:
        made.run_on("h1", spec)
    return made


def spare_is_low(here: SimSite) -> None:
    """Below its threshold but not failed: predicted."""
    here.reading("h1", "nvme0", "nvme.critical_warning", 1)
    here.reading("h1", "nvme0", "nvme.available_spare_percent", 8)
    here.reading("h1", "nvme0", "nvme.available_spare_threshold_percent", 10)


async def test_every_deed_on_an_unknown_host_is_refused_and_written_down(tmp_path: Path) -> None:
    here = site(tmp_path)
    await here.turn()
    for deed in (here.house.cordon, here.house.uncordon, here.house.drain):
        with pytest.raises(NotFound, match=r"host h9 is not in this site \(its hosts: h1, h2, h3\)"):
            await deed("h9", "ann")
    with pytest.raises(NotFound):
        await here.house.repaired("h9", None, "ann")
    records = await here.house.audit(0, 100)
    assert [record.action for record in records] == [
        "host.cordon",
        "host.uncordon",
        "host.drain",
        "host.repaired",
    ]
    assert all(record.outcome.startswith("not_found: host h9") for record in records)
    assert here.store.cordoned() == frozenset()
    assert here.store.plans(5) == []


async def test_every_change_is_written_down_in_one_chain(tmp_path: Path) -> None:
    here = site(tmp_path)
    await here.turn()
    await here.house.cordon("h2", "ann")
    await here.house.uncordon("h2", "bob")
    await here.house.repaired("h1", "nvme0", "ann")
    made = await here.house.create_token("desk", "read", 60, "ann")
    await here.house.revoke_token(made.token.id, "ann")
    records = await here.house.audit(0, 100)
    assert [(record.actor, record.action, record.outcome) for record in records] == [
        ("ann", "host.cordon", "ok"),
        ("bob", "host.uncordon", "ok"),
        ("ann", "host.repaired", "ok"),
        ("ann", "token.create", "ok"),
        ("ann", "token.revoke", "ok"),
    ]
    assert first_break(records) is None
    assert all(made.secret not in record.model_dump_json() for record in records)
    with pytest.raises(NotAllowed):
        await here.house.check_token(made.secret, "read")


async def test_a_cordon_is_told_once(tmp_path: Path) -> None:
    here = site(tmp_path)
    await here.turn()
    for _ in range(2):
        assert (await here.house.cordon("h2", "ann")).cordoned
    assert len([line for line in here.told() if "ann" in line]) == 1


async def test_applying_twice_does_nothing_the_second_time(tmp_path: Path) -> None:
    here = site(tmp_path, None)
    await here.turn()
    first = await here.house.apply_system(HIS, "ann")
    assert first.plan.steps
    await here.turn(2)
    second = await here.house.apply_system(HIS, "ann")
    assert second.plan.steps == ()
    await here.turn()
    status = await here.house.system("his")
    assert (status.generation, status.observed_generation) == (1, 1)
    assert {vm.host for vm in status.vms} <= {"h1", "h2", "h3"}


async def test_while_a_plan_runs_another_on_the_same_subject_is_refused(tmp_path: Path) -> None:
    here = site(tmp_path, None)
    await here.turn()
    first = await here.house.apply_system(HIS, "ann")
    with pytest.raises(Conflict, match=f"plan {first.plan.id} on system/his is running; wait for it"):
        await here.house.apply_system(HIS.model_copy(update={"tolerance_s": 99}), "bob")
    ((spec, _, _),) = here.store.systems()
    assert spec == HIS
    await here.turn()


async def test_applying_a_file_that_changes_or_drops_a_vm_is_refused_and_changes_nothing(
    tmp_path: Path,
) -> None:
    here = site(tmp_path)
    await here.turn()
    with pytest.raises(Conflict, match="memory_bytes of VM his-db differs from the VM that exists"):
        await here.house.apply_system(system(memory_mib=300), "ann")
    with pytest.raises(Conflict, match="VM his-app exists and is missing in the file"):
        await here.house.apply_system(system(vms=("his-db",)), "ann")
    assert [spec for spec, _, _ in here.store.systems()] == [HIS]


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        (system("new", ("a", "a")), BadInput, "system new: VM a is declared twice"),
        (
            system("new", ("a",)).model_copy(update={"anti_affinity": (("a", "b"),)}),
            BadInput,
            "system new: anti_affinity names b, which is none of its VMs",
        ),
        (system("new", ("his-db",)), Conflict, "VM his-db belongs to system his already"),
    ],
)
async def test_a_system_that_makes_no_sense_changes_nothing(
    tmp_path: Path, spec: SystemSpec, error: type[Exception], says: str
) -> None:
    here = site(tmp_path)
    await here.turn()
    with pytest.raises(error, match=says):
        await here.house.apply_system(spec, "ann")
    assert [one.name for one, _, _ in here.store.systems()] == ["his"]
    assert here.store.plans(5) == []


async def test_a_system_for_which_there_is_no_room_is_not_taken_in(tmp_path: Path) -> None:
    here = site(tmp_path)
    await here.turn()
    status = await here.house.apply_system(system("large", ("large",), memory_mib=4096), "ann")
    assert status.state is PlanState.REFUSED
    assert status.plan.misfits
    with pytest.raises(NotFound, match="system large is not known"):
        await here.house.system("large")
    same = await here.house.apply_system(system("large", ("large",), memory_mib=4096), "ann")
    assert same.state is PlanState.REFUSED
    assert len(here.store.plans(5)) == 1


async def test_a_removed_system_is_forgotten_with_its_vms(tmp_path: Path) -> None:
    here = site(tmp_path)
    await here.turn()
    with pytest.raises(NotFound):
        await here.house.remove_system("nope", "ann")
    asked = await here.house.remove_system("his", "ann")
    await here.turn(2)
    assert asked.state is PlanState.PROPOSED, "disks are deleted only after a yes"
    assert len(here.store.systems()) == 1
    await here.house.agree(asked.plan.id, "ann")
    await here.turn(2)
    assert here.store.systems() == []
    assert here.compute.truth() == []
    assert here.store.plans(1)[0].state is PlanState.DONE


async def test_what_hangs_on_a_patient_waits_for_a_yes_and_runs_with_it(tmp_path: Path) -> None:
    here = site(tmp_path, LIFE)
    spare_is_low(here)
    await here.turn(3)
    (waiting,) = here.store.plans(5)
    assert waiting.plan.consent is Consent.OPERATOR
    assert waiting.state is PlanState.PROPOSED
    assert here.compute.truth() == [("icu-db", "h1")]
    agreed = await here.house.agree(waiting.plan.id, "ann")
    assert agreed.agreed_by == "ann"
    await here.turn(2)
    assert here.store.plan(waiting.plan.id).state is PlanState.DONE
    assert here.places()["icu-db"] != "h1"


async def test_a_no_is_not_asked_again(tmp_path: Path) -> None:
    here = site(tmp_path, LIFE)
    spare_is_low(here)
    await here.turn(2)
    (waiting,) = here.store.plans(5)
    await here.house.refuse(waiting.plan.id, "ann")
    await here.turn(5)
    (refused,) = here.store.plans(5)
    assert refused.state is PlanState.REFUSED
    assert here.compute.truth() == [("icu-db", "h1")]


async def test_only_what_waits_for_a_yes_can_be_answered(tmp_path: Path) -> None:
    here = site(tmp_path)
    await here.turn()
    done = await here.house.drain("h1", "ann")
    await here.turn()
    for deed in (here.house.agree, here.house.refuse):
        with pytest.raises(Conflict, match=f"plan {done.plan.id} is done; only a proposed plan"):
            await deed(done.plan.id, "ann")
        with pytest.raises(NotFound):
            await deed("nope", "ann")
    assert here.store.plan(done.plan.id).state is PlanState.DONE
    outcomes = [record.outcome for record in await here.house.audit(0, 100)]
    assert [outcome.partition(":")[0] for outcome in outcomes] == [
        "ok",
        "conflict",
        "not_found",
        "conflict",
        "not_found",
    ]


async def test_a_repair_closes_the_finding_and_is_told(tmp_path: Path) -> None:
    here = site(tmp_path)
    spare_is_low(here)
    await here.turn(3)
    assert here.store.open_findings()
    await here.house.repaired("h1", "nvme0", "ann")
    assert here.store.open_findings() == []
    await here.turn()
    status = await here.house.host("h1")
    assert status.findings == ()


async def test_the_report_tells_the_newest_story_or_that_there_is_none(tmp_path: Path) -> None:
    here = site(tmp_path)
    await here.turn()
    assert (await here.house.report(None)).plans == ()
    with pytest.raises(NotFound):
        await here.house.report("nope")
    spare_is_low(here)
    await here.turn(4)
    told = await here.house.report(None)
    (only,) = here.store.plans(5)
    assert told.plans == (only,)
    assert set(told.placement_before.values()) == {"h1"}
    assert "h1" not in told.placement_after.values()
