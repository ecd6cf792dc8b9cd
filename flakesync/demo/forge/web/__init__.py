"""The HTTP side of the example forge: TLS, requests and answers, routes, pages of lists, git over HTTP."""
