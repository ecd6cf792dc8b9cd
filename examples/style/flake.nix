{
  description = "acme's house style: colours, fonts, formatter settings";

  inputs = {
    nixpkgs.url = "git+https://git.acme.example/nixpkgs?ref=nixos-25.11";
  };

  outputs =
    { self, nixpkgs }:
    {
      lib.version = "1.1";
      lib.colours = builtins.fromJSON (builtins.readFile ./colours.json);
      lib.parts = [ "style ${self.lib.version} on nixpkgs ${nixpkgs.lib.version}" ];
    };
}
