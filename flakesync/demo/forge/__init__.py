"""An example forge: GitHub, GitLab and Forgejo on loopback, over TLS, with real git below and real merges.

    with Forge(folder, [("git.acme.example", "forgejo")]) as forge:
        forge.site("git.acme.example").create("acme/lib")
        port = forge.open_port("git.acme.example")   # https://localhost:PORT/acme/lib, …/api/v1/repos/acme/lib/pulls

It knows of the three APIs what flakesync and git ask for, and what the demo and the tests do by hand. What it knows is
in `forge.site(HOST).find(PATH)`, to be read and changed.
"""
