"""The native locker: the lock that Nix would write, without Nix; what it cannot do exactly it says (`not-native`).

`algorithm` is Nix's own on values, `compute` runs it in all dialects that a lock may be in, `sources` finds out what
commits hold, `locker` is the Locker made of them.
"""
