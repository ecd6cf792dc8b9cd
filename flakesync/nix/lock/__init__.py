"""flake.lock: file, nodes, the ways through them, and two readers, a quick and a strict one."""
