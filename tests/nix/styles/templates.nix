{
  description = "Follows of follows, and inputs that follow";
  inputs = {
    pins.url = "github:acme/pins/main";
    nixpkgs.follows = "pins/nixpkgs";
    home = { follows = "pins/home"; };
    tools = {
      url = "github:acme/tools/main";
      inputs.nixpkgs.follows = "pins/nixpkgs";
      inputs.pins.follows = "pins";
      inputs.home.inputs.nixpkgs.follows = "nixpkgs";
      inputs.self-made.follows = "";
      inputs.other.url = "github:acme/other/main";
      inputs.third = { url = "github:acme/third/main"; flake = false; };
    };
  };
  outputs = { self, nixpkgs, ... }@inputs: { };
}
