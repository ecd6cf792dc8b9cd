{
  description = "inputs.nixpkgs.inputs.docs.follows = {";

  nixConfig = {
    extra-substituters = [ "https://cache.acme.example" ];
  };

  ##### inputs #####

  inputs = {

    # The packages.
    nixpkgs = { url = "github:NixOS/nixpkgs/nixos-25.11"; };

    # The homes.
    home = { url = "github:acme/home/release-25.11";
             inputs = { nixpkgs.follows = "nixpkgs"; }; };

    # The tools,
    #   with what they need.
    tools =
      {
        url =
          "git+https://git.acme.example/tools?ref=main";
        inputs.nixpkgs.follows =
          "nixpkgs";
        inputs.docs = {
          url = "github:acme/docs/main";
          inputs.nixpkgs.follows = "nixpkgs"; # deep
        };
      }
    ;

  }; # inputs

  ##### outputs #####

  outputs = { self, nixpkgs, home, tools }: { };

}
