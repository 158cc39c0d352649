"""The registry answers for names and families, and refuses what it does not know."""

import pytest

from shuishan.catalog.facts import fact, facts


def test_an_unknown_fact_is_refused() -> None:
    with pytest.raises(KeyError, match=r"smart\.colour"):
        fact("smart.colour")


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("nvme.available_spare_percent", "percent"),
        ("smart.attribute_raw.5.Reallocated_Sector_Ct", "1"),
        ("bmc.sensor.fan_rpm", "rpm"),
    ],
)
def test_a_fact_has_a_unit(name: str, unit: str) -> None:
    assert fact(name).unit == unit


def test_units_come_last_in_the_name() -> None:
    measured = {"celsius", "hours", "percent", "bytes", "volts", "watts", "amps", "rpm", "minutes"}
    for name, known in facts().items():
        if known.unit in measured:
            assert known.unit in name or name == "nvme.percentage_used"
