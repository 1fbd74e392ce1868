"""Counts what held and what did not, by kind of check."""

import collections


class Report:
    """`check` is called for each thing looked at; `print` tells it by kind of check, failures with where."""

    shown = 5

    def __init__(self):
        self.passed = collections.Counter()
        self.failures = collections.defaultdict(list)
        self.notes = []

    def check(self, holds, kind, where, detail=""):
        """Notes one result and returns it."""
        if holds:
            self.passed[kind] += 1
        else:
            self.failures[kind].append(f"{where}: {detail}" if detail else where)
        return bool(holds)

    def note(self, line):
        self.notes.append(line)

    @property
    def failed_count(self):
        return sum(len(found) for found in self.failures.values())

    def print(self):
        """A line per kind of check, the first failures of each, notes, then 'N passed, N failed'."""
        for kind in sorted({*self.passed, *self.failures}):
            wrong = self.failures.get(kind, [])
            print(f"{'FAIL' if wrong else 'ok  '} {kind}: {self.passed[kind]} passed, {len(wrong)} failed")
            for line in wrong[: self.shown]:
                print(f"       {line}")
            if len(wrong) > self.shown:
                print(f"       and {len(wrong) - self.shown} more")
        for line in self.notes:
            print(f"note {line}")
        print(f"{sum(self.passed.values())} passed, {self.failed_count} failed")
