{
  description = "One line for each thing that is said, at the top";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";
  inputs.flake-utils.url = "github:numtide/flake-utils";
  inputs.home.url = "github:acme/home/release-25.11";
  inputs.home.inputs.nixpkgs.follows = "nixpkgs";

  inputs.tools.url = "git+ssh://git@git.acme.example/tools.git?ref=main";
  inputs.tools.inputs.nixpkgs.follows = "nixpkgs"; # one nixpkgs for all
  inputs.tools.inputs.flake-utils.follows = "flake-utils";
  inputs.tools.flake = true;

  outputs =
    { self, nixpkgs, ... }@inputs:
    {
      lib = nixpkgs.lib // { inherit inputs; };
    };
}
