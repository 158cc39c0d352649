"""Placement as constraints: CP-SAT finds the cheapest placement, or shows that there is none.

Deterministic: one worker, a fixed seed, and an effort counted in the solver's own deterministic seconds.
The wall-clock deadline only guards against a machine far slower than any we know.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import gcd

from ortools.sat.python import cp_model

from shuishan.catalog.policies import PlacementRules
from shuishan.decide.price import mean_percent, points_above, racks_by_system, unit_bytes, vm_price
from shuishan.decide.room import Displaced, Room

_SMALL = 2_000  # yes/no variables: about 40 VMs on 50 hosts; below it most questions are solved to the end
_Terms = tuple[list[cp_model.IntVar], list[int]]


@dataclass(frozen=True, slots=True)
class Solved:
    """target: what was found, possibly partial. proven: the solver showed that it cannot be bettered."""

    target: dict[str, str]
    proven: bool


def cheapest(
    vms: Sequence[Displaced], rooms: Sequence[Room], rules: PlacementRules, hint: Mapping[str, str]
) -> Solved:
    """The cheapest complete placement, starting from a complete one in `hint`."""
    question = _Question(vms, rooms)
    for vm in vms:
        question.model.add_exactly_one(question.places[vm.vm].values())
    question.minimise_price(rules)
    solved = question.solve(rules, hint)
    return solved if len(solved.target) == len(vms) else Solved(dict(hint), proven=False)


def most(
    vms: Sequence[Displaced], rooms: Sequence[Room], rules: PlacementRules, hint: Mapping[str, str]
) -> Solved:
    """As many VMs as fit; one VM nearer to a patient outweighs any number of those further away."""
    question = _Question(vms, rooms)
    ranks = sorted({vm.care_rank for vm in vms}, reverse=True)
    weight_of = {rank: (len(vms) + 1) ** step for step, rank in enumerate(ranks)}
    variables: list[cp_model.IntVar] = []
    weights: list[int] = []
    for vm in vms:
        places = question.places[vm.vm]
        question.model.add_at_most_one(places.values())
        variables += places.values()
        weights += [weight_of[vm.care_rank]] * len(places)
    question.model.maximize(_weighted(variables, weights))
    solved = question.solve(rules, hint)
    return solved if solved.target or not hint else Solved(dict(hint), proven=False)


class _Question:
    """The model: one yes/no variable per VM and host that could take it, and the hard constraints."""

    def __init__(self, vms: Sequence[Displaced], rooms: Sequence[Room]) -> None:
        self.model = cp_model.CpModel()
        self.vms = vms
        self.rooms = [room for room in rooms if room.closed is None]
        self.by_name = {vm.vm: vm for vm in vms}
        self.places: dict[str, dict[str, cp_model.IntVar]] = {
            vm.vm: {room.host: self.model.new_bool_var("") for room in self.rooms if room.admits(vm)}
            for vm in vms
        }
        self.hints: list[tuple[cp_model.IntVar, Callable[[Mapping[str, str]], int]]] = []
        self.on_host: dict[str, list[tuple[Displaced, cp_model.IntVar]]] = {
            room.host: [] for room in self.rooms
        }
        for vm in vms:
            for host, place in self.places[vm.vm].items():
                self.on_host[host].append((vm, place))
        self._fits_memory_and_cpu()
        self._keeps_groups_apart()

    def _fits_memory_and_cpu(self) -> None:
        unit = unit_bytes(self.vms)
        for room in self.rooms:
            here = self.on_host[room.host]
            if not here:  # also where a host is over-full already: nobody was admitted, nothing to limit
                continue
            places = [place for _, place in here]
            memory = _weighted(places, [vm.memory_bytes // unit for vm, _ in here])
            self.model.add(memory <= room.memory_free_bytes // unit)
            cpus = _weighted(places, [vm.cpu_count for vm, _ in here])
            self.model.add(cpus <= room.cpu_free)

    def _keeps_groups_apart(self) -> None:
        for room in self.rooms:
            members: dict[str, list[cp_model.IntVar]] = {}
            for vm, place in self.on_host[room.host]:
                for group in vm.groups:
                    members.setdefault(group, []).append(place)
            for group in sorted(members):
                self.model.add_at_most_one(members[group])

    def minimise_price(self, rules: PlacementRules) -> None:
        """The same prices as `price.price`, as an objective."""
        variables: list[cp_model.IntVar] = []
        weights: list[int] = []
        for part in (self._vm_prices(rules), self._rack_prices(rules), self._balance_prices(rules)):
            variables += part[0]
            weights += part[1]
        self.model.minimize(_weighted(variables, weights))

    def _vm_prices(self, rules: PlacementRules) -> _Terms:
        variables: list[cp_model.IntVar] = []
        weights: list[int] = []
        for room in self.rooms:
            for vm, place in self.on_host[room.host]:
                cost = vm_price(vm, room, rules)
                if cost:
                    variables.append(place)
                    weights.append(cost)
        return variables, weights

    def _rack_prices(self, rules: PlacementRules) -> _Terms:
        """A reward for every rack in which a system gets its first VM."""
        rack_of = {room.host: room.rack for room in self.rooms}
        already = racks_by_system(self.rooms)
        by_rack: dict[tuple[str, str], list[cp_model.IntVar]] = {}
        in_rack: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for vm in self.vms:
            if vm.system is None:
                continue
            for host, place in self.places[vm.vm].items():
                if rack_of[host] not in already.get(vm.system, ()):
                    by_rack.setdefault((vm.system, rack_of[host]), []).append(place)
                    in_rack.setdefault((vm.system, rack_of[host]), []).append((vm.vm, host))
        variables: list[cp_model.IntVar] = []
        for key in sorted(by_rack):
            reached = self.model.new_bool_var("")
            self.model.add(_weighted(by_rack[key], [1] * len(by_rack[key])) >= reached)
            self.hints.append((reached, partial(_any_there, in_rack[key])))
            variables.append(reached)
        return variables, [-rules.weight_rack] * len(variables)

    def _balance_prices(self, rules: PlacementRules) -> _Terms:
        mean, full = mean_percent(self.vms, self.rooms), round(rules.full_percent)
        unit = unit_bytes(self.vms)
        variables: list[cp_model.IntVar] = []
        weights: list[int] = []
        for room in self.rooms:
            here = self.on_host[room.host]
            if not here:
                continue
            used_bytes = room.memory_bytes - room.memory_free_bytes
            common = gcd(unit, used_bytes, room.memory_bytes) or 1
            capacity = room.memory_bytes // common
            places = [place for _, place in here]
            needs = [100 * (vm.memory_bytes // common) for vm, _ in here]
            added = _weighted(places, needs)
            for weight, percent in ((rules.weight_balance, mean), (rules.weight_full, full)):
                if weight == 0:
                    continue
                above = self.model.new_int_var(0, 100, "")
                self.model.add(capacity * above >= added + 100 * (used_bytes // common) - percent * capacity)
                self.hints.append((above, partial(_points_there, room, [vm for vm, _ in here], percent)))
                variables.append(above)
                weights.append(weight)
        return variables, weights

    def solve(self, rules: PlacementRules, hint: Mapping[str, str]) -> Solved:
        for vm, places in self.places.items():
            for host, place in places.items():
                self.model.add_hint(place, hint.get(vm) == host)
        # A hint that leaves variables open is no solution yet, and the solver may never complete it.
        for variable, value in self.hints:
            self.model.add_hint(variable, value(hint))
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 1
        if sum(len(places) for places in self.places.values()) <= _SMALL:
            # The full linear relaxation: its bound often shows at once that nothing better exists.
            solver.parameters.linearization_level = 2
        else:
            # Presolve alone would eat the whole effort before the hint is even looked at; large
            # neighbourhoods around the hint find what is better within it.
            solver.parameters.cp_model_presolve = False
            solver.parameters.interleave_search = True
            solver.parameters.use_lns_only = True
        solver.parameters.max_deterministic_time = rules.effort
        solver.parameters.max_time_in_seconds = rules.deadline_s
        status = solver.solve(self.model)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return Solved({}, proven=status == cp_model.INFEASIBLE)
        target = {
            vm: host
            for vm, places in self.places.items()
            for host, place in places.items()
            if solver.boolean_value(place)
        }
        return Solved(target, proven=status == cp_model.OPTIMAL)


def _any_there(pairs: Sequence[tuple[str, str]], target: Mapping[str, str]) -> int:
    return any(target.get(vm) == host for vm, host in pairs)


def _points_there(room: Room, here: Sequence[Displaced], percent: int, target: Mapping[str, str]) -> int:
    used_bytes = room.memory_bytes - room.memory_free_bytes
    used_bytes += sum(vm.memory_bytes for vm in here if target.get(vm.vm) == room.host)
    return points_above(used_bytes, room.memory_bytes, percent)


def _weighted(variables: Iterable[cp_model.IntVar], weights: Iterable[int]) -> cp_model.LinearExpr:
    """Their weighted sum. OR-Tools leaves this function's arguments untyped; here they have types."""
    return cp_model.LinearExpr.weighted_sum(variables, weights)  # pyright: ignore[reportUnknownMemberType]: see above
