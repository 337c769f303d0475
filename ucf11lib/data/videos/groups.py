"""Who or what must not be on both sides of a split, read from the names of clips."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

import regex

from ucf11lib.errors import UserError
from ucf11lib.runs.parsing import check_utf8

# What is searched in <class>/[<folder>/]<clip>.<suffix>, and the group as its template.
UCF11 = r"(?s)^([^/]+)/(?:([^/]+)/.+|(v_[^/]+_\d+)_\d+\.\w+)$"
RULES = {
    "UCF-101 names": (r"(?is)^([^/]+)/(?:.+/)?v_[^/]+_(g\d+)_c\d+\.\w+$", r"\1/\2"),
    "group folders or UCF-11 names": (UCF11, r"\1/\2\3"),
    "Weizmann names": (r"(?is)^([^/]+)/(?:.+/)?([^/]+)_\1\d?\.\w+$", r"\2"),
}
OWN = "each clip its own"
PARTS = "train(ings?)?|test(ing)?|(train)?val(id|idate|idation)?|dev(elopment)?|eval(uation)?"
PARTS += "|holdout|(un)?seen|(un)?label+ed|entrenamiento|pruebas?"
WORDS = r"(set|split|lists?|data|dataset|daten|videos|clips)?[\W_\d]*"
PART = re.compile(rf"{WORDS}({PARTS})[\W_]*{WORDS}", re.IGNORECASE)
# Names that are no classes, but may be groups.
COUNTED = re.compile(r"(?i)(fold|split|part|(sub)?set|session)([\W_]*\d+|[\W_]+[a-z])")
MAX_SECONDS = 1.0  # for one name: some patterns take forever (https://en.wikipedia.org/wiki/ReDoS)


def find_groups(names: list[str], pattern: str = "") -> tuple[list[str], str]:
    """Return each clip's group, by the first rule that fits all of them, and that rule.

    `names` are files relative to the tree's root, `<class>/[<folder>/]<clip>.<suffix>`. `pattern`
    is searched in them instead; the group is its `(?P<group>...)`, or its first. Raises `UserError`
    if it does not compile, has no capture group, or does not match all names. Groups that differ in
    case, or in how Unicode writes an accent, are one: Lena and lena are hardly two people.
    """
    rules = RULES
    if pattern:
        template = r"\g<group>" if "?P<group>" in pattern else r"\1"
        rules = {f"--group-pattern {pattern}": (pattern, template)}
    for rule, (expression, template) in rules.items():
        try:
            matches = [regex.search(expression, name, timeout=MAX_SECONDS) for name in names]
            groups = [match.expand(template) if match else "" for match in matches]
        except (regex.error, IndexError, RecursionError, MemoryError) as error:
            remedy = "give a regular expression with (...) in it"
            raise UserError(f"{rule}: {error or 'too large'}; {remedy}") from None
        except TimeoutError:
            remedy = "give one without nested repetitions"
            raise UserError(f"{rule}: no answer in {MAX_SECONDS:g} s; {remedy}") from None
        if expression is UCF11 and (parts := _parts_for_groups(names)):
            what = f"folders {', '.join(parts)} are parts of a split, not groups"
            raise UserError(f"{what}; tell the groups with --group-pattern")
        if all(groups):
            return _by_first_spelling(groups), rule
        if pattern:
            missed = f"{groups.count('')} of {len(names)} clips"
            first = names[groups.index("")]
            raise UserError(f"{rule}: matches no group in {missed}, the first: {first}")
    return [_without_suffix(name) for name in names], OWN


def parts_of_a_split(folders: Iterable[str]) -> list[str]:
    """Return those names that are parts of one split, such as train and test, two or all of them.

    Two names with such words that are alike but for these, such as UCF_train and UCF_test, are. So
    are all names if each has one, and they are not the same: train and test_private.
    """
    names = sorted(folders)
    rests = {}  # of names with such words
    different = set()
    for name in names:
        words = [one.casefold() for one in re.split(r"[\W_]+|(?<=[a-z])(?=[A-Z])", name)]
        rest = tuple(one for one in words if not re.fullmatch(PARTS, one))
        if len(rest) < len(words):
            rests[name] = rest
            different |= {*words} - {*rest}
    if len(rests) == len(names) > 1 and len(different) > 1:
        return names
    alike = Counter(rests.values())
    known = {name for name in names if PART.fullmatch(name) or COUNTED.fullmatch(name)}
    parts = [name for name in names if name in known or alike[rests.get(name, ("",))] > 1]
    return parts if len(parts) > 1 or len(parts) == len(names) else []


def _parts_for_groups(names: list[str]) -> list[str]:
    """Return the folders of clips that are parts of a split; "set1", "set_a" may be groups."""
    folders = {parts[1] for name in names if len(parts := name.split("/")) > 2}
    parts = parts_of_a_split(folders)
    return [one for one in parts if not (one[-1].isdigit() or COUNTED.fullmatch(one))]


def _by_first_spelling(groups: list[str]) -> list[str]:
    first: dict[str, str] = {}
    alike = [unicodedata.normalize("NFC", group).casefold().strip(" .") for group in groups]
    return [first.setdefault(key, group) for key, group in zip(alike, groups, strict=True)]


def group_of(name: str) -> str:
    """Return the group that the first rule finds in a name; empty if none does."""
    matches = ((regex.search(rule, name), template) for rule, template in RULES.values())
    return next((match.expand(template) for match, template in matches if match), "")


def clip_names(names: list[str]) -> list[str]:
    """Return the names without their suffixes.

    Raises `UserError` on a name that is not UTF-8, or two that are the same but for the suffix.
    """
    clips: dict[str, str] = {}
    for name in names:
        check_utf8(name, "rename the file")
        first = clips.setdefault(_without_suffix(name), name)
        if first != name:
            raise UserError(f"{first} and {name}: one clip by their names; rename or remove one")
    return list(clips)


def _without_suffix(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))
