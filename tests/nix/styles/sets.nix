{
  description = "A set for each input";
  inputs = {
    nixpkgs = {
      url = "github:NixOS/nixpkgs/nixos-25.11";
    };
    home = {
      url = "github:acme/home/release-25.11";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    tools = {
      url = "github:acme/tools/v1.2.0";
      inputs.nixpkgs.follows = "nixpkgs";
      inputs.home.follows = "home";
      # inputs.systems.follows = "systems";
    };
    site = {
      type = "gitlab";
      host = "git.acme.example";
      owner = "acme";
      repo = "site";
      ref = "main";
      flake = false;
    };
    systems = { };
  };
  outputs = { self, ... }: { };
}
