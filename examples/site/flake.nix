{
  description = "acme's web site";

  inputs = {
    nixpkgs.url = "git+https://git.acme.example/nixpkgs?ref=nixos-25.11";
    # A second branch of nixpkgs, for one tool that is newer there: it has a pin of its own in workspace.toml.
    nixpkgs-unstable.url = "git+https://git.acme.example/nixpkgs?ref=nixos-unstable";
    docs-theme.url = "git+https://git.acme.example/docs-theme?ref=main";
    docs-theme.inputs.nixpkgs.follows = "nixpkgs";
    api.url = "git+https://git.acme.example/api?ref=main";
    api.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    { self, nixpkgs, nixpkgs-unstable, docs-theme, api }:
    {
      lib.version = "1.0";
      lib.parts = [
        "site ${self.lib.version} on nixpkgs ${nixpkgs.lib.version} and ${nixpkgs-unstable.lib.version}"
      ] ++ docs-theme.lib.parts ++ api.lib.parts;
    };
}
