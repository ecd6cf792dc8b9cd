{
  description = "A stand-in for nixpkgs: small enough to come with flakesync, with a history like the real one";

  outputs =
    { self }:
    {
      lib.version = "25.11.20260202";
    };
}
