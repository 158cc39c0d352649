"""The picture of the story: hosts in their racks, what failed, and which VM went where.

Drawn twice: side by side for a wide page, one below the other for a phone.
"""

from dataclasses import dataclass

from markupsafe import Markup

from shuishan.catalog.messages import say
from shuishan.front.report.story import Move, failing_parts, moves, shown_hosts
from shuishan.front.report.two import milliseconds, svg_both
from shuishan.model.site import HostState
from shuishan.model.status import HostStatus, Report
from shuishan.model.word import Text

MOST_HOSTS = 4
MOST_VMS = 8  # chips on one card; the rest are counted
CHIP, CHIP_GAP, HEAD, PAD = 30.0, 8.0, 46.0, 14.0


@dataclass(frozen=True, slots=True)
class Card:
    """A host as drawn. chips: (VM, stays | left | came)."""

    host: HostStatus
    parts: tuple[str, ...]
    chips: tuple[tuple[str, str], ...]
    more: int
    x: float
    y: float
    width: float
    height: float

    def chip_y(self, vm: str) -> float:
        """Middle of the chip of `vm`; of the card where it is not drawn."""
        for place, (name, _) in enumerate(self.chips):
            if name == vm:
                return self._first_chip_y() + place * (CHIP + CHIP_GAP) + CHIP / 2
        return self.y + self.height / 2

    def _first_chip_y(self) -> float:
        return self.y + HEAD + (CHIP + CHIP_GAP) * len(self.parts)


def drawings(report: Report) -> tuple[Markup, Markup, int]:
    """The wide drawing, the narrow one, and the number of hosts not drawn."""
    hosts, hidden = shown_hosts(report, MOST_HOSTS)
    if not hosts:
        return Markup(""), Markup(""), hidden
    return _wide(report, hosts), _narrow(report, hosts), hidden


def _wide(report: Report, hosts: list[HostStatus]) -> Markup:
    went = _shortest_first(moves(report), hosts)
    width, gap = 880.0, 44.0
    card_width = min(250.0, (width - 40 - gap * (len(hosts) - 1)) / len(hosts))
    left = (width - card_width * len(hosts) - gap * (len(hosts) - 1)) / 2
    height = max(_card_height(report, host) for host in hosts)
    cards = [
        _card(report, host, left + place * (card_width + gap), 34.0, width=card_width, height=height)
        for place, host in enumerate(hosts)
    ]
    lanes = [_lane_below(cards, move, place, went) for place, move in enumerate(went)]
    bottom = 34.0 + height + 18 + (34.0 * len(went) if went else 0)
    body = Markup("").join([*_racks(cards), *lanes, *(_draw(card) for card in cards)])
    return _svg(width, bottom + 8, body, "wide")


def _shortest_first(went: list[Move], hosts: list[HostStatus]) -> list[Move]:
    """The shortest way takes the lane nearest to the cards: so no lane crosses another's label."""
    places = [host.spec.name for host in hosts]

    def distance(move: Move) -> int:
        if move.source not in places or move.target not in places:
            return len(places)
        return abs(places.index(move.source) - places.index(move.target))

    return sorted(went, key=distance)


def _narrow(report: Report, hosts: list[HostStatus]) -> Markup:
    went = _shortest_first(moves(report), hosts)
    card_width, y = 262.0, 30.0
    cards: list[Card] = []
    for host in hosts:
        height = _card_height(report, host)
        cards.append(_card(report, host, 12.0, y, width=card_width, height=height))
        y += height + 44
    lanes = [_lane_beside(cards, move, place) for place, move in enumerate(went)]
    body = Markup("").join([*_racks(cards), *lanes, *(_draw(card) for card in cards)])
    return _svg(360.0, y - 10, body, "narrow")


def _svg(width: float, height: float, body: Markup, kind: str) -> Markup:
    # Hidden from screen readers: the caption and the tables below say the same in words.
    return Markup(
        '<svg class="topology {}" viewBox="0 0 {:.0f} {:.0f}" aria-hidden="true" focusable="false">'
        '<defs><marker id="tip-{}" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path class="tip" d="M0 1 L9 5 L0 9 z"/></marker></defs>{}</svg>'
    ).format(kind, width, height, kind, body)


def _card_height(report: Report, host: HostStatus) -> float:
    rows = len(_parts(report, host)) + max(1, len(_chips(report, host)[0]) + bool(_chips(report, host)[1]))
    return HEAD + rows * (CHIP + CHIP_GAP) + PAD - CHIP_GAP


def _parts(report: Report, host: HostStatus) -> tuple[str, ...]:
    """Failing components of the host, each once; the host itself where no component is named."""
    named = [finding.component or finding.host for finding in failing_parts(report, host.spec.name)]
    return tuple(dict.fromkeys(named))[:3]


def _chips(report: Report, host: HostStatus) -> tuple[tuple[tuple[str, str], ...], int]:
    name = host.spec.name
    before = {vm for vm, place in report.placement_before.items() if place == name}
    after = {vm for vm, place in report.placement_after.items() if place == name}
    order = [move.vm for move in moves(report)]

    def place(vm: str) -> tuple[int, int, str]:
        return (vm not in order, order.index(vm) if vm in order else 0, vm)

    chips = [
        (vm, "stays" if vm in before and vm in after else "left" if vm in before else "came")
        for vm in sorted(before | after, key=place)
    ]
    return tuple(chips[:MOST_VMS]), max(0, len(chips) - MOST_VMS)


def _card(report: Report, host: HostStatus, x: float, y: float, *, width: float, height: float) -> Card:
    chips, more = _chips(report, host)
    return Card(host, _parts(report, host), chips, more, x, y, width, height)


def _racks(cards: list[Card]) -> list[Markup]:
    """One frame around the neighbouring hosts of each rack, with its name."""
    frames: list[Markup] = []
    for rack in dict.fromkeys(card.host.spec.rack for card in cards):
        inside = [card for card in cards if card.host.spec.rack == rack]
        x, y = min(card.x for card in inside) - 12, min(card.y for card in inside) - 26
        right = max(card.x + card.width for card in inside) + 12
        bottom = max(card.y + card.height for card in inside) + 12
        frames.append(
            Markup(
                '<rect class="rack" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="12"/>'
            ).format(x, y, right - x, bottom - y)
            + svg_both(_rack_name(rack), x=x + 14, y=y + 17, style="small")
        )
    return frames


def _rack_name(rack: str) -> Text:
    """The rack's name; "Rack" is put before it only where the name does not say so itself."""
    return Text(en=rack, zh=rack) if rack.lower().startswith("rack") else say("page.rack", rack=rack)


def _draw(card: Card) -> Markup:
    spec = card.host.spec
    kind = (
        "failing" if card.parts else "silent" if card.host.seen.state is not HostState.ANSWERING else "well"
    )
    drawn = [
        Markup('<rect class="host {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="9"/>').format(
            kind, card.x, card.y, card.width, card.height
        ),
        Markup('<text class="name" x="{:.1f}" y="{:.1f}">{}</text>').format(
            card.x + PAD, card.y + 29, _short(spec.name, 14)
        ),
    ]
    state = _state(card)
    if state is not None:
        drawn.append(svg_both(state, x=card.x + card.width - PAD, y=card.y + 28, style="small", anchor="end"))
    y = card.y + HEAD
    for part in card.parts:
        drawn.append(_part(card, part, y))
        y += CHIP + CHIP_GAP
    for vm, change in card.chips:
        drawn.append(_chip(card, vm, change, y))
        y += CHIP + CHIP_GAP
    if card.more:
        drawn.append(svg_both(say("page.vms_more", count=card.more), x=card.x + PAD, y=y + 19, style="small"))
    elif not card.chips:
        drawn.append(svg_both(say("page.no_vms"), x=card.x + PAD, y=y + 19, style="small"))
    return Markup("").join(drawn)


def _state(card: Card) -> Text | None:
    if card.host.seen.state is not HostState.ANSWERING:
        return say("page.host_silent")
    if card.host.cordoned:
        return say("page.host_cordoned")
    return None


def _part(card: Card, part: str, y: float) -> Markup:
    x, middle = card.x + PAD, y + CHIP / 2
    return Markup(
        '<rect class="part" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="6"/>'
        '<path class="alarm" d="M{:.1f} {:.1f} l7 12.5 h-14 z"/>'
        '<path class="bang" d="M{:.1f} {:.1f} v4.5 m0 2 v0.9"/>'
        '<text class="part-name" x="{:.1f}" y="{:.1f}">{}</text>'
    ).format(
        x, y, card.width - 2 * PAD, CHIP,
        x + 18, middle - 7,
        x + 18, middle - 2.3,
        x + 32, middle + 4.8, _short(part, int((card.width - 2 * PAD - 40) / 7.6)),
    )  # fmt: skip


def _chip(card: Card, vm: str, change: str, y: float) -> Markup:
    x = card.x + PAD
    return Markup(
        '<rect class="vm {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="6"/>'
        '<text class="vm-name {}" x="{:.1f}" y="{:.1f}">{}</text>'
    ).format(
        change, x, y, card.width - 2 * PAD, CHIP,
        change, x + 12, y + CHIP / 2 + 4.8, _short(vm, int((card.width - 2 * PAD - 24) / 7.6)),
    )  # fmt: skip


def _lane_below(cards: list[Card], move: Move, place: int, went: list[Move]) -> Markup:
    """From the foot of one card, along a lane of its own, up into the other card."""
    source, target = _find(cards, move.source), _find(cards, move.target)
    if source is None or target is None:
        return Markup("")
    leaving = [one for one in went if one.source == move.source]
    coming = [one for one in went if one.target == move.target]
    # Lanes of one card are spread over its foot, the outermost first, so that none crosses another.
    x1 = _spread(source, leaving.index(move), len(leaving), to_right=target.x > source.x)
    x2 = _spread(target, coming.index(move), len(coming), to_right=target.x < source.x)
    foot = source.y + source.height
    lane = foot + 36 + 34.0 * place
    turn = 9.0 if x2 > x1 else -9.0
    path = Markup(
        '<path class="move" marker-end="url(#tip-wide)" d="M{:.1f} {:.1f} V{:.1f} q0 9 {:.1f} 9 H{:.1f} '
        'q{:.1f} 0 {:.1f} -9 V{:.1f}"/>'
    ).format(x1, foot, lane - 9, turn, x2 - turn, turn, turn, foot + 3)
    return path + svg_both(_moved(move), x=(x1 + x2) / 2, y=lane - 7, style="small strong", anchor="middle")


def _spread(card: Card, place: int, count: int, *, to_right: bool) -> float:
    share = (place + 1) / (count + 1)
    return card.x + card.width * (1 - share if to_right else share)


def _lane_beside(cards: list[Card], move: Move, place: int) -> Markup:
    """The same beside a column of cards, from chip to chip."""
    source, target = _find(cards, move.source), _find(cards, move.target)
    if source is None or target is None:
        return Markup("")
    x, lane = source.x + source.width, source.x + source.width + 24 + 18.0 * (place % 3)
    y1, y2 = source.chip_y(move.vm), target.chip_y(move.vm)
    turn = 9.0 if y2 > y1 else -9.0
    return Markup(
        '<path class="move" marker-end="url(#tip-narrow)" d="M{:.1f} {:.1f} H{:.1f} q9 0 9 {:.1f} V{:.1f} '
        'q0 {:.1f} -9 {:.1f} H{:.1f}"/>'
    ).format(x - PAD, y1, lane - 9, turn, y2 - turn, turn, turn, x + 3)


def _moved(move: Move) -> Text:
    if move.downtime_ms is None:
        return Text(en=move.vm, zh=move.vm)
    return say("page.moved", vm=move.vm, pause=milliseconds(move.downtime_ms))


def _find(cards: list[Card], name: str) -> Card | None:
    return next((card for card in cards if card.host.spec.name == name), None)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
