{
  description = "Values in a column";

  inputs = {
    nixpkgs     .url           = "https://channels.nixos.org/nixos-25.11/nixexprs.tar.xz";
    home        .url           = "https://github.com/acme/home/archive/release-25.11.tar.gz";
    home        .inputs.nixpkgs.follows = "nixpkgs";
    hub         = { url        = "https://flakehub.com/f/NixOS/nixpkgs/0.2511.*"; };
    lab         = { url        = "https://gitlab.com/acme/lab/-/archive/main/lab-main.tar.gz";
                    flake      = false; };
    berg        = { url        = "https://codeberg.org/acme/berg/archive/main.tar.gz";
                    inputs.nixpkgs.follows = "nixpkgs"; };
  };

  outputs     = { ... }: { };
}
