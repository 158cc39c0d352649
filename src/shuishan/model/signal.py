"""Signals: facts about the world, with time and source, or the fact that nothing is known."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from shuishan.model.word import Word


class Source(StrEnum):
    """Which kind of observer a signal came from."""

    KERNEL_LOG = "kernel_log"
    SYSTEM_LOG = "system_log"
    SMART = "smart"
    EDAC = "edac"
    BMC_SENSOR = "bmc_sensor"
    BMC_EVENT = "bmc_event"
    LIBVIRT = "libvirt"


class LogLine(Word):
    """One line that some part of a host wrote about itself.

    origin: where it was read, e.g. a file name or ``ssh://10.77.0.111``; shown as evidence
    """

    kind: Literal["line"] = "line"
    host: str
    source: Source
    at_s: float
    text: str
    origin: str = ""


class Reading(Word):
    """One measured fact of one component.

    component: within the host, e.g. ``nvme0``, ``DIMM_A1``, ``FAN2``, ``vm/his-db``
    fact:      a name from the fact registry, unit last, e.g. ``nvme.available_spare_percent``
    value:     None means the component was asked and did not say
    """

    kind: Literal["reading"] = "reading"
    host: str
    source: Source
    at_s: float
    component: str
    fact: str
    value: float | str | None
    origin: str = ""


class Unknown(Word):
    """A collector that could not answer. Never to be read as healthy, nor as dead."""

    kind: Literal["unknown"] = "unknown"
    host: str
    source: Source
    at_s: float
    reason: str
    origin: str = ""


Signal = Annotated[LogLine | Reading | Unknown, Field(discriminator="kind")]
