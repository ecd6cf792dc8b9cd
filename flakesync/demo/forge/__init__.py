"""An example forge: GitHub, GitLab and Forgejo on loopback, over TLS, with real git below and real merges.

    with Forge(folder, [("git.acme.example", "forgejo")]) as forge:
        forge.site("git.acme.example").create("acme/lib")
        port = forge.open_port("git.acme.example")   # https://localhost:PORT/acme/lib, …/api/v1/repos/acme/lib/pulls

It knows of the three APIs what flakesync and git ask for, and what the demo and the tests do by hand. What it knows is
in `forge.site(HOST).find(PATH)`, to be read and changed:

    project.protect("main", checks=["ci"], approvals=1, queue=True)    # rules.py; `project.ruleset` on GitHub
    project.ci = [Job("ci", after_s=60, takes_s=300)]                   # ci.py; pipelines.py on GitLab
    project.trains = True                                               # queue.py; gitlab/trains.py, github/queue.py
    site.approve_after_s = 3600
    site.add_account("a-token", "bot", lacks=["checks"])                # parts.Account says what a token can lack
    site.move("acme/lib", "corp/lib"); project.rename_default("trunk")

Nothing runs by itself: what the clock of a site has brought, a check that reports or a queue that merges, is caught up
with before each answer (meanwhile.py). Each forge refuses a merge in its own words and order: merging.py in github/,
gitlab/ and forgejo/.
"""
