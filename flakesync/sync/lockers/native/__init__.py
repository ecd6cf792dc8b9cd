"""The native locker: the lock that Nix would write, without Nix; what it cannot do exactly it says (`not-native`).

`compute` is Nix's algorithm on values, `sources` finds out what a commit holds, `locker` is the Locker made of both.
"""
