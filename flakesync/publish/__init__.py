"""Update branches go out: what is pushed, as which pull request, with which text; status and abandon."""
