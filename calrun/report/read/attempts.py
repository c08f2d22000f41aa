"""What a run's attempts ran on: environment.json has an entry for each time that its process was started."""

from typing import Any

from calrun.report.table.plain import printable

COMPARED = ("device", "python", "git", "packages")  # what must be the same for the rounds of one run to be comparable


def read_attempts(environment: dict[str, Any], reasons: list[str]) -> list[dict[str, Any]]:
    """Returns the attempts in an environment.json, the newest last; adds to `reasons` what is odd about them."""
    found = environment.get("attempts")
    attempts = [attempt for attempt in found if isinstance(attempt, dict)] if isinstance(found, list) else []
    if environment and not attempts:
        reasons.append("environment.json holds no attempts")
    if mixed := [f"{name} ({', '.join(values)})" for name, values in differing(attempts)]:
        reasons.append(f"its {len(attempts)} attempts had different {' and '.join(mixed)}")
    return attempts


def differing(attempts: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Returns what is not the same in all attempts: its name and its values in their order."""
    facts = [dict(facts_of(attempt)) for attempt in attempts]
    names = dict.fromkeys(name for own in facts for name in own)
    values = {name: list(dict.fromkeys(own.get(name, "none") for own in facts)) for name in names}
    return [(name, own) for name, own in values.items() if len(own) > 1]


def facts_of(attempt: dict[str, Any]) -> list[tuple[str, str]]:
    """Returns, by name, what decides numbers on a machine: the device, and the versions of the software."""
    found: list[tuple[str, str]] = []
    for key in COMPARED:
        value = attempt.get(key)
        if isinstance(value, dict):
            found += [(printable(str(name)), printable(str(item))[:40]) for name, item in value.items()]
        elif value is not None:
            found.append((key, printable(str(value))[:40]))
    return found
