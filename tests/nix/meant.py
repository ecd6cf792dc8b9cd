"""What Nix has to make of a flake.nix after edits.

Said without flakesync: as a change of the inputs that Nix itself evaluates from the file before.
"""

from urllib.parse import unquote

from flakesync.nix.expression.edit import Edit, RemoveFollows, SetFollows, SetRef

Json = dict[str, object]


def meant(before: Json, edits: list[Edit]) -> Json:
    """Return what Nix has to evaluate as the inputs after edits; before: what it did without them."""
    inputs = copied(before)
    for edit in edits:
        match edit:
            case SetFollows():
                own = _at(inputs, edit.input)
                target = "/".join(edit.follows)
                if "follows" not in own:
                    own.clear()
                if not _same_path(own.get("follows"), target):
                    own["follows"] = target
            case RemoveFollows():
                above = _at(inputs, edit.input[:-1])
                below = above.get("inputs", {})
                assert isinstance(below, dict)
                below.pop(edit.input[-1], None)
            case SetRef():
                own = _at(inputs, edit.input)
                key = "ref" if "ref" in own else "url"
                old = unquote(str(own[key]))
                if "/-/archive/" in old:  # the name of the file is the branch's too
                    own[key] = old.replace(edit.old, edit.new)
                elif edit.new not in old:
                    at = old.rindex(edit.old)
                    own[key] = old[:at] + edit.new + old[at + len(edit.old) :]
    return tidy(inputs)


def _same_path(one: object, other: str) -> bool:
    return isinstance(one, str) and [*filter(None, one.split("/"))] == [*filter(None, other.split("/"))]


def _at(inputs: Json, path: tuple[str, ...]) -> Json:
    """Return what is said of an input, made now if nothing is."""
    own = _below(inputs, path[0])
    for name in path[1:]:
        own = _below(_below(own, "inputs"), name)
    return own


def _below(group: Json, name: str) -> Json:
    found = group.setdefault(name, {})
    assert isinstance(found, dict)
    return found


def copied(inputs: Json) -> Json:
    return {name: copied(value) if isinstance(value, dict) else value for name, value in inputs.items()}


def tidy(inputs: Json) -> Json:
    """Return inputs with addresses decoded, and without an `inputs` that is empty: it means nothing."""
    found: Json = {}
    for name, value in inputs.items():
        if isinstance(value, dict):
            below = tidy(value)
            if below or name != "inputs":
                found[name] = below
        else:
            found[name] = unquote(value) if isinstance(value, str) else value
    return found
