"""The one way out to servers over HTTP: TLS, redirects, limits on size and time, and the wall of --offline."""
