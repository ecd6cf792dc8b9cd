{
  inputs.home.url = "github:acme/home/release-25.11";
  inputs.nixpkgs = {
    url = "github:NixOS/nixpkgs/nixos-25.11";
  };

  outputs = { self, nixpkgs, home, tools, registry, ... }: {
    # inputs.home.inputs.nixpkgs.follows = "nixpkgs";
    text = ''
      inputs.tools.inputs.nixpkgs.follows = "nixpkgs";
    '';
  };

  inputs = {
    tools.url = "github:acme/tools/main";
  };

  inputs.home.inputs.nixpkgs.follows = "nixpkgs";
  inputs.tools.inputs = {
    nixpkgs.follows = "nixpkgs";
  };
}
