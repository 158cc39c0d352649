"""Silence is not recovery."""

import pytest
from tests.unit.app.words import T0, finding

from shuishan.app.loop import with_carried
from shuishan.model.finding import Blind, Diagnosis, Finding
from shuishan.model.signal import Source


def blind(host: str, source: Source) -> Blind:
    return Blind(host=host, source=source, since_s=T0, reason="refused")


@pytest.mark.parametrize(
    ("now_blind", "fresh", "kept"),
    [
        ((blind("h1", Source.SMART),), (), 1),
        ((blind("h1", Source.SMART),), (finding(at_s=T0 + 9),), 1),  # seen again: the newer one counts
        ((blind("h1", Source.BMC_SENSOR),), (), 0),
        ((blind("h2", Source.SMART),), (), 0),
        ((), (), 0),
    ],
)
def test_a_finding_is_carried_while_its_own_sense_is_blind(
    now_blind: tuple[Blind, ...], fresh: tuple[Finding, ...], kept: int
) -> None:
    whole = with_carried(Diagnosis(at_s=T0, findings=fresh, blind=now_blind), [finding()])
    assert len(whole.findings) == kept
    assert whole.findings[: len(fresh)] == fresh
    assert whole.blind == now_blind
