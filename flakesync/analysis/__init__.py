"""Pure decisions on what was read: graph, pins, drift, plan."""
