{
  description = "Dotted lines in one set";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";
    nixpkgs-unstable.url = "github:NixOS/nixpkgs/nixos-unstable"; # for a few packages

    # home
    home.url = "github:acme/home/release-25.11";
    home.inputs.nixpkgs.follows = "nixpkgs";

    # hardware.url = "github:acme/hardware/nixos-25.11";
    # hardware.inputs.nixpkgs.follows = "nixpkgs";
    secrets.url = "git+ssh://git@git.acme.example/secrets?ref=main&shallow=1";
    secrets.flake = false;
    parts.url = "github:acme/parts";
    parts.inputs.nixpkgs-lib.follows = "nixpkgs";
  };

  outputs = inputs: inputs.parts.lib.mkFlake { inherit inputs; } { };
}
