{ inputs = { nixpkgs.url = github:NixOS/nixpkgs/nixos-25.11; home = {url="github:acme/home/release-25.11";inputs.nixpkgs.follows="nixpkgs";};
  utils={ url = github:acme/utils/main; }; tools = { url = "github:acme/tools/main"; inputs = {}; }; };
  inputs.more.url = ''github:acme/more/main'';inputs.more.flake=false;
  outputs = _: { }; }
